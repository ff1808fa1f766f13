use callsign_core::identity::secret::IdSecret;
use callsign_core::secret::Secret;

use super::super::acts::Names;
use super::*;
use crate::limits::keys::row::RETIRED;

const HOUR: Duration = Duration::from_hours(1);

fn started() -> OperatorState {
    let state = OperatorState::default();
    let seal = RowSeal::of_keys(&IdSecret::new(&Secret::new("a secret of some length")).unwrap());
    state.configure_keys(Some(seal), HOUR);
    state
}

fn of(user: &str) -> Holder {
    Holder { user: Some(user.to_owned()), ..Holder::default() }
}

fn key(name: &str, user: &str, secret: &str) -> KeyRow {
    KeyRow::new(name, of(user), KeyDigest::of(secret.as_bytes()), "cli:root")
}

fn is_known(state: &OperatorState, secret: &str) -> bool {
    let key = state.keys().find(KeyDigest::of(secret.as_bytes()));
    key.is_some_and(|key| key.expires.is_none_or(|end| Timestamp::now() < end))
}

fn rotate(state: &OperatorState, name: &str, secret: &str, overlap: Duration) -> Result<KeyRow, KeyChangeError> {
    state.rotate_key(name, KeyDigest::of(secret.as_bytes()), overlap, "cli:root").map(|(row, _)| row)
}

#[test]
fn at_most_one_earlier_key_is_valid_and_never_past_its_end() {
    let state = started();
    let end = Timestamp::now() + SignedDuration::from_hours(2);
    let created = KeyRow { expires: Some(end), ..key("ada", "ada", "1") };
    state.create_key(&created).unwrap();
    rotate(&state, "ada", "2", HOUR).unwrap();
    assert!(is_known(&state, "1") && is_known(&state, "2"));
    let third = rotate(&state, "ada", "3", 100 * HOUR).unwrap();
    assert_eq!(third.expires, Some(end), "the end stays");
    assert!(!is_known(&state, "1") && is_known(&state, "2") && is_known(&state, "3"));
    let ends: Vec<_> = state.listed_keys().iter().map(|key| key.row.expires).collect();
    assert_eq!(ends, [Some(end), Some(end)], "the overlap ends with the key");
    rotate(&state, "ada", "4", Duration::ZERO).unwrap();
    let known: Vec<_> = ["1", "2", "3", "4"].into_iter().filter(|secret| is_known(&state, secret)).collect();
    assert_eq!(known, ["4"]);
    assert_eq!(rotate(&state, "eve", "5", HOUR), Err(KeyChangeError::Unknown));
    let over = KeyRow { expires: Some(Timestamp::UNIX_EPOCH), ..key("old", "old", "6") };
    state.create_key(&over).unwrap();
    assert_eq!(rotate(&state, "old", "7", HOUR), Err(KeyChangeError::Expired));
}

#[test]
fn a_name_is_never_that_of_somebody_else() {
    let state = started();
    let (row, _) = state.create_key(&key("laptop", "ada", "1")).unwrap();
    assert_eq!(state.create_key(&key("laptop", "ada", "2")).map(drop), Err(KeyChangeError::Exists));
    assert_eq!(state.create_key(&key("laptop", "bob", "2")).map(drop), Err(KeyChangeError::Taken));
    assert!(!state.has_other_key("laptop", row) && state.has_other_key("laptop", Uuid::nil()));
    state.revoke_key("laptop", false, "cli:root").unwrap();
    assert!(!is_known(&state, "1"));
    assert_eq!(state.revoke_key("laptop", false, "cli:root"), Err(KeyChangeError::Unknown));
    let others = [
        Holder { tenant: Some("acme".to_owned()), ..of("ada") },
        of("bob"),
        Holder { user: None, preset: Some("generic".to_owned()), tenant: None },
    ];
    for holder in others {
        let other = KeyRow { holder, ..key("laptop", "", "3") };
        assert_eq!(state.create_key(&other).map(drop), Err(KeyChangeError::Taken), "{:?}", other.holder);
    }
    state.create_key(&key("laptop", "ada", "4")).unwrap();
    assert!(is_known(&state, "4"), "the same holder may have the name again, and the revocation is of earlier keys");
}

#[test]
fn a_forgotten_user_has_no_key_and_leaves_no_name() {
    let state = started();
    state.create_key(&key("ada", "ada", "1")).unwrap();
    state.create_key(&key("gone", "ada", "2")).unwrap();
    state.create_key(&key("ada's", "bob", "3")).unwrap();
    state.revoke_key("gone", false, "cli:root").unwrap();
    let names = ["ada".to_owned()];
    let act = Act::new(Verb::Forget, "cli:root", "ada", Some(""), None);
    state.forget(Names { all: &names, tenant: None }, &act);
    assert!(!is_known(&state, "1") && is_known(&state, "3"));
    assert!(state.people_with_keys("ada").is_empty());
    let entries = state.0.entries.lock();
    for kind in [KIND, RETIRED, crate::limits::acts::KIND] {
        for entry in entries.of(kind) {
            assert!(!entry.body.contains("\"ada\"") && !entry.body.contains("key=ada;"), "{}", entry.body);
        }
    }
    drop(entries);
    assert_eq!(state.create_key(&key("ada", "eve", "4")).map(drop), Err(KeyChangeError::Taken));
    assert_eq!(state.create_key(&key("gone", "eve", "4")).map(drop), Err(KeyChangeError::Taken));
}

#[test]
fn acts_name_the_operator_and_the_values_but_neither_key_nor_digest() {
    let state = started();
    let digest = KeyDigest::of(b"secret");
    state.create_key(&key("ada", "ada", "secret")).unwrap();
    rotate(&state, "ada", "secret 2", HOUR).unwrap();
    state.revoke_key("ada", true, "admin").unwrap();
    let acts = state.acts(None, None);
    let rows: Vec<_> = acts.iter().map(|act| (act.act.as_str(), act.by.as_str(), act.subject.as_str())).collect();
    assert_eq!(
        rows,
        [("revoke_key", "admin", "ada"), ("rotate_key", "cli:root", "ada"), ("create_key", "cli:root", "ada")]
    );
    assert!(acts.iter().all(|act| act.detail.as_ref().is_some_and(|detail| detail.starts_with("key=ada"))));
    let text = format!("{acts:?}");
    assert!(!text.contains("secret") && !text.contains(&digest.to_hex()), "{text}");
}

#[test]
fn running_requests_of_a_revoked_key_end_if_asked() {
    let state = started();
    for name in ["cut", "kept"] {
        state.create_key(&key(name, name, name)).unwrap();
    }
    let watchers: Vec<_> = ["cut", "kept"]
        .into_iter()
        .map(|name| {
            let stored = state.keys().find(KeyDigest::of(name.as_bytes())).unwrap();
            let caller = callsign_core::identity::caller_identity::CallerIdentity {
                user: Some("somebody"),
                stored: Some(&stored),
                ..Default::default()
            };
            state.gate().watch(&caller, None)
        })
        .collect();
    state.revoke_key("cut", true, "cli:root").unwrap();
    state.revoke_key("kept", false, "cli:root").unwrap();
    let ended: Vec<_> = watchers.into_iter().map(|mut watcher| (watcher.is_cut(), watcher.is_blocked())).collect();
    assert_eq!(ended, [(true, true), (false, true)], "without a client both end");
}

#[test]
fn keys_that_ended_long_ago_are_removed_and_keep_their_names() {
    let state = started();
    let now = Timestamp::now();
    for (name, days) in [("long", 31), ("just", 1), ("never", -1)] {
        let expires = Some(now - SignedDuration::from_hours(24 * days));
        state.create_key(&KeyRow { expires, ..key(name, name, name) }).unwrap();
    }
    state.lift_ended_keys(now);
    let names: Vec<_> = state.listed_keys().into_iter().map(|key| key.row.name).collect();
    assert_eq!(names, ["just", "never"]);
    assert_eq!(state.create_key(&key("long", "eve", "x")).map(drop), Err(KeyChangeError::Taken));
}

#[test]
fn a_key_is_unavailable_before_the_first_exchange_and_unknown_without_the_secret() {
    let state = started();
    let digest = KeyDigest::of(b"1");
    state.create_key(&key("ada", "ada", "1")).unwrap();
    assert_eq!(state.find(digest), Found::Unavailable);
    state.0.is_unread.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(state.find(digest), Found::Key(_)));
    assert_eq!(state.find(KeyDigest::of(b"2")), Found::Unknown);
    state.configure_keys(None, HOUR);
    assert_eq!(state.find(digest), Found::Unknown);
    assert_eq!(state.create_key(&key("bob", "bob", "2")).map(drop), Err(KeyChangeError::NoSecret));
}
