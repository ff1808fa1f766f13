//! Aliases.

use rstest::rstest;

use super::*;
use callsign_core::identity::identifier::Identifier;

#[test]
fn each_alias_sets_its_settings() {
    let tracking = load(&[("OPENROUTER_USER_TRACKING", "true")]);
    assert!(tracking.config.tenants.operator.valves[Identifier::User]);
    assert_eq!(source_of(&tracking, "valves.send_end_user_id"), "env OPENROUTER_USER_TRACKING");
    let prefix = load(&[("OPENROUTER_USER_PREFIX", "acme")]).config.tenants.operator;
    assert_eq!(prefix.formats[Identifier::User].to_string(), "acme_{user}");
    let external = load(&[("OPENROUTER_EXTERNAL_USER", "mai_client")]).config.tenants.operator;
    assert_eq!(external.formats[Identifier::User].to_string(), "mai_client_user_{sha256:8 user}");
    assert_eq!(external.missing_user.to_string(), "shared:mai_client");
}

#[test]
fn an_alias_may_agree_with_its_setting() {
    let same = [("OPENROUTER_USER_TRACKING", "1"), ("SEND_END_USER_ID", "yes")];
    assert!(load(&same).config.tenants.operator.valves[Identifier::User]);
    assert!(problems(&[("OPENROUTER_USER_PREFIX", "p"), ("USER_ID_FORMAT", "p_{user}")]).is_empty());
}

#[rstest]
#[case(&[("OPENROUTER_USER_TRACKING", "1"), ("SEND_END_USER_ID", "0")], "SEND_END_USER_ID")]
#[case(&[("OPENROUTER_USER_PREFIX", "p"), ("USER_ID_FORMAT", "q_{user}")], "USER_ID_FORMAT")]
#[case(&[("OPENROUTER_EXTERNAL_USER", "p"), ("CALLSIGN_MISSING_USER", "reject")], "CALLSIGN_MISSING_USER")]
fn an_alias_that_differs_from_its_setting_is_an_error(#[case] variables: &[(&str, &str)], #[case] setting: &str) {
    let (alias, _) = variables[0];
    let expected =
        format!("env {alias}: is an alias of {setting}, which env {setting} sets to another value; keep one");
    assert_eq!(problems(variables), expected);
}

#[test]
fn an_alias_that_differs_from_the_file_is_an_error() {
    let problems = with_file("[formats]\nuser = \"q_{user}\"", &[("OPENROUTER_USER_PREFIX", "p")]).unwrap_err();
    let expected =
        "env OPENROUTER_USER_PREFIX: is an alias of USER_ID_FORMAT, which FILE:2 sets to another value; keep one";
    assert_eq!(problems, expected);
}

#[test]
fn two_aliases_of_one_setting_are_an_error() {
    let problems = problems(&[("OPENROUTER_USER_PREFIX", "p"), ("OPENROUTER_EXTERNAL_USER", "p")]);
    let expected =
        "env OPENROUTER_EXTERNAL_USER: is an alias of USER_ID_FORMAT, and so is OPENROUTER_USER_PREFIX; keep one";
    assert_eq!(problems, expected);
}

#[test]
fn a_brace_in_an_alias_is_an_error() {
    for alias in ["OPENROUTER_USER_PREFIX", "OPENROUTER_EXTERNAL_USER"] {
        assert!(problems(&[(alias, "a{user}")]).starts_with(&format!("env {alias}: contains a brace")));
    }
}
