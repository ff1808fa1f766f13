use std::sync::LazyLock;
use std::time::Duration;

use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm::ES256;
use serde_json::json;

use super::*;
use crate::caller::jwt::Trap;
use crate::caller::signer::{Signer, jwks};
use crate::secret::Secret;

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "a shared secret of an app";

static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::generate(ES256, "k"));

fn issuer(algorithms: &[jsonwebtoken::Algorithm]) -> Issuer {
    Issuer {
        name: "test".into(),
        tenant: None,
        issuer: None,
        algorithms: algorithms.to_vec(),
        audience: vec![],
        authorized_parties: vec![],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: None,
        bring_chat: None,
        bring_message: None,
        leeway: Duration::from_secs(5),
        trap: Trap::None,
        padded: false,
    }
}

fn keys() -> KeySet {
    KeySet::from_jwks(jwks([&*KEY]).as_bytes()).unwrap()
}

#[test]
fn a_token_is_remembered_until_it_expires_and_not_a_second_longer() {
    let (verifier, issuer) = (Verifier::new([keys()]), issuer(&[ES256]));
    let token = KEY.token(&json!({"sub": "alice", "exp": NOW + 60}));
    let of = |now| verifier.verify(0, &issuer, token.as_bytes(), now);
    assert_eq!(of(NOW).unwrap().user, "alice");
    // What answers now is memory: the keys are gone.
    verifier.exchange(0, KeySet::default());
    let unknown = TokenError::UnknownKey { kid: Some("k".into()) };
    assert_eq!(of(NOW + 64).unwrap().user, "alice");
    assert_eq!(of(NOW + 65).unwrap_err(), unknown);
    verifier.exchange(0, keys());
    assert_eq!(of(NOW + 65).unwrap_err(), TokenError::Refused("it has expired"));
}

#[test]
fn a_token_is_remembered_by_all_of_it() {
    let (verifier, issuer) = (Verifier::new([keys()]), issuer(&[ES256]));
    let (alice, bob) = (json!({"sub": "alice", "exp": NOW + 60}), json!({"sub": "bob", "exp": NOW + 60}));
    let (alice, bob) = (KEY.token(&alice), KEY.token(&bob));
    assert_eq!(verifier.verify(0, &issuer, alice.as_bytes(), NOW).unwrap().user, "alice");
    assert_eq!(verifier.verify(0, &issuer, bob.as_bytes(), NOW).unwrap().user, "bob");
    for at in 0..alice.len() {
        let mut other = alice.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        assert!(verifier.verify(0, &issuer, &other, NOW).is_err(), "at {at}");
    }
    let refused = KEY.token(&json!({"sub": "", "exp": NOW + 60}));
    for _ in 0..3 {
        assert!(verifier.verify(0, &issuer, refused.as_bytes(), NOW).is_err());
    }
}

#[test]
fn what_one_issuer_vouches_for_says_nothing_to_another() {
    let verifier = Verifier::new([keys(), KeySet::from_secret(&Secret::new(SECRET)), KeySet::default()]);
    let token = KEY.token(&json!({"sub": "alice", "exp": NOW + 60}));
    let (public, secret) = (issuer(&[ES256]), issuer(&[jsonwebtoken::Algorithm::HS256]));
    assert!(verifier.verify(0, &public, token.as_bytes(), NOW).is_ok());
    assert_eq!(verifier.verify(1, &secret, token.as_bytes(), NOW).unwrap_err(), TokenError::Algorithm);
    for unknown in [2, 3, usize::MAX] {
        let refused = verifier.verify(unknown, &public, token.as_bytes(), NOW).unwrap_err();
        assert!(matches!(refused, TokenError::UnknownKey { .. }), "{unknown}: {refused:?}");
    }
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest_first() {
    let mut memory = Generations::default();
    let place = |number: usize| (0, KeyDigest::of(&number.to_le_bytes()));
    let verified = Arc::new(Verified { user: "u".into(), session: None, expires: NOW });
    for number in 0..5 * GENERATION {
        memory.put(place(number), Arc::clone(&verified));
        // One token that is in use all the time.
        assert!(number == 0 || memory.get(&place(0)).is_some(), "after {number}");
        assert!(memory.young.len() <= GENERATION && memory.old.len() <= GENERATION);
    }
    let last = 5 * GENERATION - 1;
    assert!(memory.get(&place(last)).is_some() && memory.get(&place(GENERATION)).is_none());
    assert!(memory.get(&place(last - GENERATION / 2)).is_some(), "as many as fit are remembered");
}

#[test]
fn fresh_keys_hold_at_once_for_their_issuer_alone() {
    let verifier = Verifier::new([KeySet::default(), KeySet::default()]);
    let issuer = issuer(&[ES256]);
    let token = KEY.token(&json!({"sub": "alice", "exp": NOW + 60}));
    assert!(verifier.verify(0, &issuer, token.as_bytes(), NOW).is_err());
    verifier.exchange(0, keys());
    verifier.exchange(7, keys());
    assert!(verifier.verify(0, &issuer, token.as_bytes(), NOW).is_ok());
    assert!(verifier.verify(1, &issuer, token.as_bytes(), NOW).is_err());
    assert!(verifier.key_set(1).is_empty() && verifier.key_set(7).is_empty());
}
