//! The shorthands of other write-ups.

use rstest::rstest;

use super::*;

#[test]
fn each_stands_for_its_settings() {
    let tracking = load(&[("OPENROUTER_USER_TRACKING", "true")]);
    assert!(tracking.config.identifiers.valves.user);
    assert_eq!(source_of(&tracking, "valves.send_end_user_id"), "env OPENROUTER_USER_TRACKING");
    let prefix = load(&[("OPENROUTER_USER_PREFIX", "acme")]).config.identifiers;
    assert_eq!(prefix.formats.user.to_string(), "acme_{user}");
    let external = load(&[("OPENROUTER_EXTERNAL_USER", "mai_client")]).config.identifiers;
    assert_eq!(external.formats.user.to_string(), "mai_client_user_{sha256:8 user}");
    assert_eq!(external.missing_user.to_string(), "shared:mai_client");
}

#[test]
fn one_that_agrees_with_its_setting_is_fine() {
    let same = [("OPENROUTER_USER_TRACKING", "1"), ("SEND_END_USER_ID", "yes")];
    assert!(load(&same).config.identifiers.valves.user);
    assert!(problems(&[("OPENROUTER_USER_PREFIX", "p"), ("USER_ID_FORMAT", "p_{user}")]).is_empty());
}

#[rstest]
#[case(&[("OPENROUTER_USER_TRACKING", "1"), ("SEND_END_USER_ID", "0")], "SEND_END_USER_ID")]
#[case(&[("OPENROUTER_USER_PREFIX", "p"), ("USER_ID_FORMAT", "q_{user}")], "USER_ID_FORMAT")]
#[case(&[("OPENROUTER_EXTERNAL_USER", "p"), ("CALLSIGN_MISSING_USER", "reject")], "CALLSIGN_MISSING_USER")]
fn one_that_differs_from_its_setting_is_an_error(#[case] variables: &[(&str, &str)], #[case] setting: &str) {
    let (alias, _) = variables[0];
    let expected = format!("env {alias}: stands for {setting}, which env {setting} sets to something else; keep one");
    assert_eq!(problems(variables), expected);
}

#[test]
fn one_that_differs_from_the_file_is_an_error() {
    let problems = with_file("[formats]\nuser = \"q_{user}\"", &[("OPENROUTER_USER_PREFIX", "p")]).unwrap_err();
    let expected =
        "env OPENROUTER_USER_PREFIX: stands for USER_ID_FORMAT, which FILE:2 sets to something else; keep one";
    assert_eq!(problems, expected);
}

#[test]
fn two_for_one_setting_are_an_error() {
    let problems = problems(&[("OPENROUTER_USER_PREFIX", "p"), ("OPENROUTER_EXTERNAL_USER", "p")]);
    let expected =
        "env OPENROUTER_EXTERNAL_USER: stands for USER_ID_FORMAT, and so does OPENROUTER_USER_PREFIX; keep one";
    assert_eq!(problems, expected);
}

#[test]
fn a_brace_in_one_is_an_error() {
    for alias in ["OPENROUTER_USER_PREFIX", "OPENROUTER_EXTERNAL_USER"] {
        assert!(problems(&[(alias, "a{user}")]).starts_with(&format!("env {alias}: has a brace")));
    }
}
