//! Unknown names, and files that are not TOML.

use rstest::rstest;

use super::*;

#[rstest]
#[case("CALLSIGN_LISTN", "CALLSIGN_LISTEN")]
#[case("CALLSIGN_UPSTREAM", "CALLSIGN_UPSTREAM_URL")]
#[case("CALLSIGN_USERKEYS", "CALLSIGN_USER_KEYS")]
#[case("CALLSIGN_ADMINTOKEN", "CALLSIGN_ADMIN_TOKEN")]
#[case("CALLSIGN_PRESET_FILE", "CALLSIGN_PRESET")]
#[case("CALLSIGN_", "CALLSIGN_LOG")]
#[case("CALLSIGN_SEND_USER_ID", "SEND_END_USER_ID")]
#[case("CALLSIGN_USER_FORMAT", "USER_ID_FORMAT")]
#[case("CALLSIGN_OPENROUTER_KEY", "OPENROUTER_API_KEY")]
#[case("CALLSIGN_BASE_URL", "CALLSIGN_UPSTREAM_URL")]
#[case("CALLSIGN_BIND", "CALLSIGN_LISTEN")]
#[case("CALLSIGN_ADMIN_ADDR", "CALLSIGN_ADMIN_LISTEN")]
fn an_unknown_variable_names_the_nearest(#[case] name: &str, #[case] nearest: &str) {
    assert_eq!(problems(&[(name, "x")]), format!("env {name}: is not a setting; the nearest one is {nearest}"));
}

#[rstest]
#[case("lisen = \"x\"", "FILE:1: lisen: is not a setting; the nearest one is listen")]
#[case("\n[upstream]\nulr = \"x\"", "FILE:3: upstream.ulr: is not a setting; the nearest one is upstream.url")]
#[case("api_key = \"x\"", "FILE:1: api_key: is not a setting; the nearest one is upstream.api_key")]
#[case("preset_file = \"x\"", "FILE:1: preset_file: is not a setting; the nearest one is preset")]
#[case("[[keys]]\nsha = \"x\"", "FILE:2: keys[].sha: is not a setting; the nearest one is keys[].sha256")]
#[case("[tls]\ncert = \"x\"", "FILE:1: tls: is not a setting; the nearest one is tls_key")]
#[case("[valve]\nsend_chat_id = true", "FILE:1: valve: is not a setting; the nearest one is valves.send_end_user_id")]
#[case("[limit]\nrpm = 1", "FILE:1: limit: is not a setting; the nearest one is limits.rpm")]
#[case("[nonsense]\n", "FILE:1: nonsense: is not a setting; the nearest one is listen")]
#[case("upstream = \"x\"", "FILE:1: upstream: expected a table, found a value; write its settings below it")]
#[case("[valves]\n[[keys]]\n", "FILE:2: keys[]: is empty; write its settings below it, or remove it")]
#[case("[presets.house]\n", "FILE:1: presets.house: is empty; write its settings below it, or remove it")]
#[case("keys = [1]", "FILE:1: keys[]: expected a table, as in [[keys]]")]
#[case("listen = [\"x\"]", "FILE:1: listen: expected one value, found a list")]
#[case("[listen]\nx = 1", "FILE:1: listen: expected a value, found a table")]
#[case("[headers]\nforward = [[\"x\"]]", "FILE:2: headers.forward: expected a list of strings")]
fn a_toml_key_without_a_setting_is_an_error(#[case] text: &str, #[case] expected: &str) {
    let problems = file_problems(text);
    assert_eq!(problems.lines().next(), Some(expected), "{problems}");
}

#[test]
fn what_kubernetes_injects_is_ignored() {
    let injected = [
        ("CALLSIGN_SERVICE_HOST", "10.0.0.1"),
        ("CALLSIGN_SERVICE_PORT", "8484"),
        ("CALLSIGN_SERVICE_PORT_HTTP", "8484"),
        ("CALLSIGN_PORT", "tcp://10.0.0.1:8484"),
        ("CALLSIGN_PORT_8484_TCP", "tcp://10.0.0.1:8484"),
        ("CALLSIGN_PORT_8484_TCP_PROTO", "tcp"),
        ("CALLSIGN_PORT_8484_TCP_PORT", "8484"),
        ("CALLSIGN_PORT_8484_TCP_ADDR", "10.0.0.1"),
        ("CALLSIGN_PORT_53_UDP_ADDR", "10.0.0.1"),
        ("CALLSIGN_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("CALLSIGN_ADMIN_SERVICE_PORT", "8485"),
        ("CALLSIGN_ADMIN_PORT", "tcp://10.0.0.1:8485"),
        ("CALLSIGN_ADMIN_PORT_8485_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(load(&injected).warnings, Vec::<String>::new());
    for name in ["CALLSIGN_ADMIN_PORT", "CALLSIGN_PORT_HTTP", "CALLSIGN_PORT_1_TCP_X", "CALLSIGN_PORT_1_TCP_ADDR_X"] {
        assert!(problems(&[(name, "8484")]).contains("is not a setting"), "{name}");
    }
    let by_hand = load(&[("CALLSIGN_PORT", "8484")]).warnings;
    assert_eq!(by_hand, ["env CALLSIGN_PORT: is ignored, because Kubernetes sets it; set CALLSIGN_LISTEN"]);
}

#[rstest]
// By letters.
#[case("SEND_ENDUSER_ID", "SEND_END_USER_ID")]
#[case("SEND_CHATID", "SEND_CHAT_ID")]
#[case("USERS_ID_FORMAT", "USER_ID_FORMAT")]
#[case("OPENROUTER_APIKEY", "OPENROUTER_API_KEY")]
#[case("CALSIGN_APP_KEY", "CALLSIGN_APP_KEY")]
#[case("send_chat_id", "SEND_CHAT_ID")]
// By words.
#[case("USER_FORMAT", "USER_ID_FORMAT")]
#[case("END_USER_ID_FORMAT", "USER_ID_FORMAT")]
#[case("SEND_USER_ID", "SEND_END_USER_ID")]
#[case("SEND_USER", "SEND_END_USER_ID")]
#[case("SEND_CHAT", "SEND_CHAT_ID")]
#[case("SENDENDUSERID", "SEND_END_USER_ID")]
fn a_misspelt_variable_is_an_error(#[case] name: &str, #[case] meant: &str) {
    let expected = format!("env {name}: is not a setting; did you mean {meant}? Rename or unset it");
    assert_eq!(problems(&[(name, "x")]), expected);
}

#[test]
fn a_foreign_variable_of_openrouter_is_a_warning() {
    for (name, meant) in [
        ("OPENROUTER_BASE_URL", "; did you mean CALLSIGN_UPSTREAM_URL?"),
        ("OPENROUTER_URL", "; did you mean CALLSIGN_UPSTREAM_URL?"),
        ("OPENROUTER_KEY", "; did you mean OPENROUTER_API_KEY?"),
        ("OPENROUTER_MODEL", ""),
    ] {
        let expected = format!("env {name}: is not a setting, so callsign ignores it{meant}");
        assert_eq!(load(&[(name, "x")]).warnings, [expected]);
    }
}

#[test]
fn variables_of_other_programs_and_empty_ones_are_ignored() {
    for (name, value) in [("SEND_MAIL", "x"), ("DATE_FORMAT", "x"), ("HTTP_PROXY", "x"), ("SEND_USER_ID", "")] {
        assert_eq!(load(&[(name, value)]).warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_syntax_error_gives_line_and_column_and_never_the_line() {
    let text = format!("listen = \"127.0.0.1:1\"\napp_key = \"{KEY}\nid_secret = {ID_SECRET}\n");
    let problems = file_problems(&text);
    assert!(problems.starts_with("FILE:2:"), "{problems}");
    assert!(problems.lines().all(|line| line.contains(": is not TOML: ")), "{problems}");
    assert!(!problems.contains("secret"), "{problems}");
}

#[test]
fn control_characters_in_names_do_not_reach_the_terminal() {
    let problems = file_problems("\"\\u001b[2Jx\" = 1");
    assert!(problems.contains("\\u{1b}[2Jx"), "{problems}");
    assert!(!problems.contains('\u{1b}'));
}
