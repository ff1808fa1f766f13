use std::sync::LazyLock;
use std::time::Duration;

use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm::ES256;
use serde_json::json;

use super::*;
use crate::auth::issuer::TokenRules;
use crate::auth::signer::{Signer, jwks};
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
        for_console: false,
        authorized_parties: vec![],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: None,
        chat_header: None,
        message_header: None,
        leeway: Duration::from_secs(5),
        token_rules: TokenRules::None,
        padded: false,
    }
}

fn keys() -> KeySet {
    KeySet::from_jwks(jwks([&*KEY]).as_bytes()).unwrap()
}

#[test]
fn a_verified_token_is_cached_until_it_expires() {
    let (verifier, issuer) = (Verifier::new([keys()]), issuer(&[ES256]));
    let token = KEY.token(&json!({"sub": "alice", "exp": NOW + 60}));
    let of = |now| verifier.verify(0, &issuer, token.as_bytes(), now);
    assert_eq!(of(NOW).unwrap().user, "alice");
    // Without keys, only the cache can accept the token.
    verifier.set_keys(0, KeySet::default());
    let unknown = TokenError::UnknownKey { kid: Some("k".into()) };
    assert_eq!(of(NOW + 64).unwrap().user, "alice");
    assert_eq!(of(NOW + 65).unwrap_err(), unknown);
    verifier.set_keys(0, keys());
    assert_eq!(of(NOW + 65).unwrap_err(), TokenError::Refused("it has expired"));
}

#[test]
fn the_cache_key_is_the_whole_token() {
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
fn a_cached_token_does_not_apply_to_another_issuer() {
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
fn the_cache_is_bounded_and_drops_the_oldest_tokens() {
    let mut memory = Generations::default();
    let place = |number: usize| (0, KeyDigest::of(&number.to_le_bytes()));
    let verified = Arc::new(Verified { user: "u".into(), session: None, expires: NOW });
    for number in 0..5 * GENERATION {
        memory.put(place(number), Arc::clone(&verified));
        // Keep one token in use.
        assert!(number == 0 || memory.get(&place(0)).is_some(), "after {number}");
        assert!(memory.young.len() <= GENERATION && memory.old.len() <= GENERATION);
    }
    let last = 5 * GENERATION - 1;
    assert!(memory.get(&place(last)).is_some() && memory.get(&place(GENERATION)).is_none());
    assert!(memory.get(&place(last - GENERATION / 2)).is_some(), "the newest tokens are cached");
}

#[test]
fn new_keys_apply_at_once_and_only_to_their_issuer() {
    let verifier = Verifier::new([KeySet::default(), KeySet::default()]);
    let issuer = issuer(&[ES256]);
    let token = KEY.token(&json!({"sub": "alice", "exp": NOW + 60}));
    assert!(verifier.verify(0, &issuer, token.as_bytes(), NOW).is_err());
    verifier.set_keys(0, keys());
    verifier.set_keys(7, keys());
    assert!(verifier.verify(0, &issuer, token.as_bytes(), NOW).is_ok());
    assert!(verifier.verify(1, &issuer, token.as_bytes(), NOW).is_err());
    assert!(verifier.key_set(1).is_empty() && verifier.key_set(7).is_empty());
}
