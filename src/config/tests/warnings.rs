//! Warnings about probable mistakes.

use rstest::rstest;

use super::*;

fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let all: Vec<_> = MINIMAL.into_iter().chain(variables.iter().copied()).collect();
    load(&all).warnings
}

#[rstest]
#[case(&[("USER_ID_FORMAT", "p_{user}")], "env USER_ID_FORMAT: is not used, because its valve is off; set SEND_END_USER_ID=true to send it")]
#[case(&[("USER_ID_FORMAT", "{sha256:8 user}"), ("SEND_END_USER_ID", "1")], "env USER_ID_FORMAT: keeps 8 digits of a hash")]
#[case(&[("CHAT_ID_FORMAT", "{sha256 chat}"), ("SEND_CHAT_ID", "1")], "env CHAT_ID_FORMAT: hashes without the user")]
#[case(&[("CACHE_SESSION_ID_FORMAT", "{chat}"), ("SEND_CACHE_SESSION_ID", "1")], "env CACHE_SESSION_ID_FORMAT: does not contain the user")]
#[case(&[("CALLSIGN_PRESET", "librechat"), ("SEND_SESSION_ID", "1")], "env SEND_SESSION_ID: is on, but no key or preset supplies what {session} needs")]
#[case(&[("SESSION_ID_FORMAT", "{tenant}{session}"), ("SEND_SESSION_ID", "1")], "env SEND_SESSION_ID: is on, but no key or preset supplies")]
#[case(&[("CALLSIGN_USER_KEYS", "a=sk-or-v1-very-secret")], "env CALLSIGN_USER_KEYS: is the OpenRouter key itself")]
fn probable_mistakes_are_warnings(#[case] variables: &[(&str, &str)], #[case] expected: &str) {
    let warnings = warnings(variables);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with(expected), "{warnings:?}");
}

#[test]
fn sensible_settings_give_no_warning() {
    for variables in [
        &[("SEND_END_USER_ID", "1"), ("USER_ID_FORMAT", "{sha256:16 user}")][..],
        &[("CALLSIGN_PRESET", "librechat"), ("SEND_SESSION_ID", "1"), ("CALLSIGN_CLIENT_SESSION", "bind")],
        &[("SEND_CACHE_SESSION_ID", "1"), ("CALLSIGN_ID_SECRET", ID_SECRET)],
        &[("CALLSIGN_MISSING_USER", "shared:x"), ("USER_ID_FORMAT", "{tenant}{user}"), ("SEND_END_USER_ID", "1")],
    ] {
        assert_eq!(warnings(variables), Vec::<String>::new(), "{variables:?}");
    }
}

#[test]
fn a_personal_key_supplies_its_headers() {
    let text = key_entry("a", KEY, "user = \"a\"\nheaders = { chat = \"X-Chat-Id\" }");
    let both = [("SEND_CHAT_ID", "1"), ("SEND_MESSAGE_ID", "1")];
    let warnings = with_file(&text, &both).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("env SEND_MESSAGE_ID: is on"), "{warnings:?}");
}

#[test]
fn a_preset_without_a_key_is_a_warning() {
    let warnings = load(&[("CALLSIGN_PRESET", "openwebui")]).warnings;
    assert_eq!(
        warnings,
        ["env CALLSIGN_PRESET: has no effect without CALLSIGN_APP_KEY or CALLSIGN_PASSTHROUGH; set one or remove \
             this"]
    );
}

#[test]
fn pairs_that_will_be_skipped_are_warnings() {
    let warnings = with_file("[metadata]\n\"a[0]\" = \"x\"", &[]).unwrap().warnings;
    assert!(warnings[0].starts_with("metadata: the pair a[0] is skipped"), "{warnings:?}");
    let many: Vec<String> = (0..16).map(|index| format!("k{index:02} = \"x\"")).collect();
    let all = format!("[metadata]\n{}", many.join("\n"));
    assert_eq!(with_file(&all, &[]).unwrap().warnings, Vec::<String>::new());
    let warnings = with_file(&all, &[("SEND_END_USER_ID", "1")]).unwrap().warnings;
    assert!(warnings[0].starts_with("metadata: there are more than 16 pairs"), "{warnings:?}");
}
