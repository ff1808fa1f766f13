//! Mistakes of a first hour: what was set, and the message about it.

use rstest::rstest;

use super::*;

#[rstest]
#[case("CALLSIGN_PRESET", "openwebu", "is not a preset; the nearest one is openwebui, and there are generic,")]
#[case("CALLSIGN_APP_KEY", "sk-cs-of-app-1,sk-cs-of-app-2", "contains a comma, and takes one key; give a second app")]
#[case("CALLSIGN_APP_KEY", "short", "has 5 bytes; at least 16 are required (make one: openssl rand -hex 32)")]
#[case("CALLSIGN_APP_KEY", "\"sk-cs-in-quotation-marks\"", "has quotes around it; remove them (docker --env-file")]
#[case(
    "CALLSIGN_APP_KEY",
    "sk-cs-yasw4475qpg2qtvz5tbty54q3b562p6de6680ece",
    "is a key of callsign with a character changed (its checksum is wrong); copy it again"
)]
#[case("CALLSIGN_USER_KEYS", "sk-cs-without-a-user", "entry 1: has no `=`; write USER=KEY")]
#[case("CALLSIGN_USER_KEYS", "alice='sk-cs-in-quotation-marks'", "entry 1: the key has quotes around it; remove them")]
#[case("OPENROUTER_API_KEY", "'sk-or-v1-in-quotes'", "has quotes around it; remove them (docker --env-file")]
#[case(
    "OPENROUTER_API_KEY",
    "sk-cs-an-apps-own-key",
    "is a key of callsign; set it to a key from https://openrouter.ai"
)]
#[case("OPENROUTER_API_KEY", "sk-or-…", "is a placeholder; set it to a key from https://openrouter.ai/settings/keys")]
#[case("OPENROUTER_API_KEY", "sk-or-v1-...", "is a placeholder; set it to a key from https://openrouter.ai")]
#[case("OPENROUTER_API_KEY", "<your key>", "is a placeholder; set it to a key from https://openrouter.ai")]
#[case("OPENROUTER_API_KEY", "sk-or-v1-your-key", "is a placeholder; set it to a key from https://openrouter.ai")]
#[case("CALLSIGN_APP_KEY", "sk-cs-…", "is a placeholder; set it to the key itself")]
#[case("CALLSIGN_APP_KEY", "sk-cs-xxxxxxxxxxxxxxxx", "is a placeholder; set it to the key itself")]
#[case("CALLSIGN_UPSTREAM_URL", "https://openrouter.ai/api/v1/chat/completions", "ends in the path of an endpoint")]
#[case("CALLSIGN_UPSTREAM_URL", "http://openrouter.ai/api/v1", "sends the OpenRouter key unencrypted to a public host")]
#[case("CALLSIGN_UPSTREAM_URL", "openrouter.ai/api/v1", "expected an http or https URL with a host, as https://")]
#[case("USER_ID_FORMAT", "acme_{usr}", "unknown field `usr`; use user, session, chat, message or tenant")]
#[case("SEND_END_USER_ID", "maybe", "expected true or false (also 1, 0, yes, no, on, off)")]
#[case("CALLSIGN_MISSING_USER", "refuse", "expected omit, reject, or shared:ID with an id of at most 512 bytes")]
#[case("CALLSIGN_LISTEN", "8484", "expected an IP address and a port, as 127.0.0.1:8484 or [::1]:8484")]
#[case("CALLSIGN_LIMIT_RPM", "sixty", "takes a whole number from 1 to 10^15, or off")]
fn says_what_is_wrong_and_what_to_do(#[case] name: &str, #[case] value: &str, #[case] message: &str) {
    let text = problems(&[(name, value)]);
    assert!(text.starts_with(&format!("env {name}: {message}")), "{text}");
    // A message never repeats a key.
    assert!(!name.ends_with("KEY") && !name.ends_with("KEYS") || !text.contains(value), "{text}");
}

#[test]
fn nothing_set_names_what_to_set() {
    let none: [(&str, &str); 0] = [];
    let text = Config::load(&ConfigInputs::environment(none).serving()).unwrap_err().to_string();
    for expected in [
        "CALLSIGN_APP_KEY: is not set, so no request would be accepted; set it to a key that your app will send",
        "OPENROUTER_API_KEY: is not set; set it to a key from https://openrouter.ai/settings/keys",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    // Two lines each on a terminal of 120 columns.
    assert!(text.lines().all(|line| line.len() <= 240), "{text}");
}

#[test]
fn plain_http_to_a_public_host_is_permitted_by_its_setting() {
    let text = "[upstream]\nurl = \"http://openrouter.example/api/v1\"\n";
    assert!(file_problems(text).starts_with("FILE:2: upstream.url: sends the OpenRouter key unencrypted"));
    assert_eq!(file_problems(&format!("{text}allow_plain_http = true\n")), "");
}
