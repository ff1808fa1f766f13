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

#[test]
fn a_misspelt_valve_or_format_is_a_warning() {
    for (name, meant) in [
        ("SEND_ENDUSER_ID", "SEND_END_USER_ID"),
        ("SEND_CHATID", "SEND_CHAT_ID"),
        ("USERS_ID_FORMAT", "USER_ID_FORMAT"),
    ] {
        assert_eq!(load(&[(name, "x")]).warnings, [format!("env {name}: is not a setting; did you mean {meant}?")]);
    }
    assert!(load(&[("SEND_MAIL", "x"), ("DATE_FORMAT", "x"), ("OPENROUTER_BASE_URL", "x")]).warnings.is_empty());
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
