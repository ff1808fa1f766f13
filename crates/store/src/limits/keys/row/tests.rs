use callsign_core::identity::secret::IdSecret;
use callsign_core::secret::Secret;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn seal(secret: &str) -> RowSeal {
    RowSeal::of_keys(&IdSecret::new(&Secret::new(secret)).unwrap())
}

fn entry(kind: &str, op: Uuid, body: &str) -> Entry {
    Entry { kind: kind.into(), op, lifted: false, body: body.into() }
}

fn example() -> KeyRow {
    let holder = Holder { user: Some("alice".to_owned()), preset: None, tenant: Some("acme".to_owned()) };
    let row = KeyRow::new("alice", holder, KeyDigest::of(b"sk-cs-x"), "cli:root");
    KeyRow {
        from: vec!["10.0.0.0/8".to_owned()],
        expires: Some(Timestamp::UNIX_EPOCH),
        ..row.with_limits(&[(Limit::Rpm, Ceiling::At(5))])
    }
}

/// Returns the content with another value of one member, or without the member.
fn changed(content: &str, member: usize, value: Option<&str>) -> String {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(content).unwrap();
    let name = object.keys().nth(member % object.len()).unwrap().clone();
    match value {
        Some(value) => object.insert(name, Value::from(value)),
        None => object.remove(&name),
    };
    serde_json::to_string(&object).unwrap()
}

proptest! {
    /// Whatever member of a row is changed, added or removed, the row is refused; so is any other text.
    #[test]
    fn a_row_with_any_changed_field_is_refused(
        member in 0_usize..20, value in proptest::option::of(".{0,20}"), flip in 0_usize..400, name in "[a-z]{1,8}",
    ) {
        let (seal, op) = (seal("a secret of some length"), Uuid::now_v7());
        let text = example().text(&seal, op).unwrap();
        prop_assert!(is_genuine(&entry(KIND, op, &text), &seal));
        let (mac, content) = split(&text).unwrap();
        let forged = changed(content, member, value.as_deref());
        if serde_json::from_str::<Value>(&forged).unwrap() != serde_json::from_str::<Value>(content).unwrap() {
            let forged = format!("{mac} {forged}");
            prop_assert!(!is_genuine(&entry(KIND, op, &forged), &seal));
        }
        let more = content.replacen('{', &format!("{{\"{name}\":1,"), 1);
        let more = format!("{mac} {more}");
        prop_assert!(!is_genuine(&entry(KIND, op, &more), &seal));
        let mut bytes = text.clone().into_bytes();
        let at = flip % bytes.len();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        prop_assert!(!is_genuine(&entry(KIND, op, std::str::from_utf8(&bytes).unwrap()), &seal));
    }
}

#[test]
fn a_row_is_bound_to_its_id_its_kind_and_the_secret() {
    let (ours, op) = (seal("a secret of some length"), Uuid::now_v7());
    let text = example().text(&ours, op).unwrap();
    assert!(!is_genuine(&entry(KIND, Uuid::now_v7(), &text), &ours), "a copy of a revoked row under another id");
    assert!(!is_genuine(&entry(RETIRED, op, &text), &ours));
    assert!(!is_genuine(&entry(KIND, op, &text), &seal("another secret of some length")));
    assert!(!text.contains("sk-cs-"));
}

#[test]
fn a_row_is_read_as_it_was_written() {
    let (seal, op) = (seal("a secret of some length"), Uuid::now_v7());
    let text = example().text(&seal, op).unwrap();
    let stored = KeyRow::stored(op.as_u128(), &text).unwrap();
    assert_eq!((stored.row, stored.grant), (op.as_u128(), StoredGrant::User("alice".to_owned())));
    assert_eq!(stored.limits.ceilings().of(Limit::Rpm), Some(5));
    assert_eq!((stored.digest, stored.from.len()), (KeyDigest::of(b"sk-cs-x"), 1));
    assert_eq!(
        KeyRow::read(&entry(KIND, op, &text)),
        Some(example()).map(|row| KeyRow { since: KeyRow::read(&entry(KIND, op, &text)).unwrap().since, ..row })
    );
    let long = KeyRow { name: "x".repeat(LONGEST_BODY), ..example() };
    assert_eq!(long.text(&seal, op), None);
    let both = KeyRow { holder: Holder { preset: Some("generic".to_owned()), ..example().holder }, ..example() };
    assert!(both.check().is_none(), "a user and a preset");
}
