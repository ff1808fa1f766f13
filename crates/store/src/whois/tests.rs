use super::*;

fn guess(user: Option<&str>, tenant: Option<&str>) -> Found {
    Found {
        kind: Kind::User,
        identifier: "acme_alice".to_owned(),
        user: user.map(str::to_owned),
        key: None,
        tenant: tenant.map(str::to_owned),
        first_seen: None,
        last_seen: None,
        requests: 0,
    }
}

#[test]
fn a_guess_is_a_note_and_the_absence_has_a_date() {
    let since = Some("2026-03-01T12:30:00Z".parse().unwrap());
    let guesses = vec![guess(Some("alice"), Some("acme")), guess(None, None)];
    let answer = Answer { found: Vec::new(), guesses, since };
    assert_eq!(answer.absence(), "not in the ledger, which goes back to 2026-03-01");
    assert_eq!(
        answer.notes(),
        [
            "under the current format it would belong to user alice of tenant acme",
            "under the current format it would belong to callers without a user"
        ]
    );
    assert_eq!(Answer::default().absence(), "not in the ledger, which is empty");
}
