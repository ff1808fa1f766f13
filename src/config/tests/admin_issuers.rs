//! `[[admin.issuers]]`: what is stricter than for issuers of callers.

use rstest::rstest;

use super::*;

const GOOD: &str =
    "issuer = \"https://id.example\"\nheader = \"x-id-token\"\naudience = [\"console\"]\noperators = [\"dana\"]";

/// Loads a file with an entry of these lines, and these tables after it.
fn load(lines: &str, after: &str) -> Result<Loaded, String> {
    with_file(&format!("[[admin.issuers]]\nname = \"id\"\n{lines}\n{after}"), &[])
}

#[test]
fn a_complete_entry_is_accepted() {
    let loaded = load(GOOD, "").unwrap_or_else(|problems| panic!("{problems}"));
    let issuer = loaded.config.admin.issuers.into_iter().next().unwrap();
    assert_eq!((issuer.operators, issuer.viewers, issuer.persons), (vec!["dana".to_owned()], vec![], false));
    assert!(issuer.issuer.rules.for_console);
    assert_eq!(issuer.issuer.rules.audience, ["console"]);
}

#[rstest]
#[case("audience = [\"console\"]", "audience = [\"console\", \"more\"]", "must have one entry")]
#[case("audience = [\"console\"]", "", "must have one entry")]
#[case("operators = [\"dana\"]", "", "has no operators; list the users who may sign in, or set viewers")]
#[case("operators = [\"dana\"]", "operators = [\"a\"]\nviewers = [\"b\", \"a\"]", "lists a, who is in operators too")]
#[case("header = \"x-id-token\"", "", "must be another one than authorization")]
#[case("header = \"x-id-token\"", "header = \"x-id-token\"\npreset = \"clerk\"", "no audience of the console alone")]
#[case("issuer = \"https://id.example\"", "preset = \"firebase\"", "no audience of the console alone")]
#[case("operators = [\"dana\"]", "operators = [\"dana\"]\ntenant = \"acme\"", "tenant")]
fn an_entry_that_is_too_open_is_refused(#[case] part: &str, #[case] instead: &str, #[case] said: &str) {
    assert!(GOOD.contains(part), "{part}");
    let problems = load(&GOOD.replace(part, instead), "").unwrap_err();
    assert!(problems.contains(said), "{problems}");
}

#[rstest]
#[case("issuer = \"https://id.example\"", true)]
#[case("issuer = \"https://id.example\"\naudience = [\"console\"]", true)]
#[case("issuer = \"https://id.example\"\naudience = [\"api\", \"console\"]", true)]
#[case("issuer = \"https://id.example\"\naudience = [\"api\"]", false)]
#[case("issuer = \"https://other.example\"", false)]
fn an_issuer_of_callers_must_keep_the_tokens_out(#[case] lines: &str, #[case] is_refused: bool) {
    let result = load(GOOD, &format!("[[issuers]]\nname = \"callers\"\n{lines}\n"));
    match result {
        Ok(_) => assert!(!is_refused, "{lines}"),
        Err(problems) => {
            let said = "has no audience that keeps out the tokens of [[admin.issuers]] id";
            assert!(is_refused && problems.contains(said), "{lines}: {problems}");
        }
    }
}

#[test]
fn the_same_keys_are_the_same_issuer() {
    let keys = "jwks_url = \"https://keys.example/jwks\"\n";
    let other = format!("[[issuers]]\nname = \"callers\"\nissuer = \"https://other.example\"\n{keys}");
    assert!(load(&format!("{GOOD}\n{keys}"), &other).is_err());
}

#[test]
fn a_token_may_not_have_the_name_of_a_user_of_a_proxy() {
    let token = "[[admin.tokens]]\nname = \"proxy:dana\"\nrole = \"viewer\"\nsha256 = \"";
    let problems = with_file(&format!("{token}{}\"\n", "0".repeat(64)), &[]).unwrap_err();
    assert!(problems.contains("another operator in the audit log"), "{problems}");
}
