use std::sync::LazyLock;

use jsonwebtoken::Algorithm::{ES256, ES384, EdDSA, HS256, HS512, PS256, RS256, RS512};
use serde_json::{Value, json};

use super::*;
use crate::auth::signer::Signer;

static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::generate(RS256, "rsa"));
static P256: LazyLock<Signer> = LazyLock::new(|| Signer::generate(ES256, "p256"));

fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
}

fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
    jwk[name] = value.into();
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

fn finds(keys: &KeySet, kid: Option<&str>, algorithm: Algorithm) -> bool {
    keys.find(kid, algorithm).is_some()
}

#[test]
fn a_key_is_for_its_own_family_only() {
    let (p384, ed) = (Signer::generate(ES384, "p384"), Signer::generate(EdDSA, "ed"));
    let keys = set(&[RSA.jwk(), P256.jwk(), p384.jwk(), ed.jwk()]).unwrap();
    let table: [(&str, &[Algorithm]); 4] =
        [("rsa", &[RS256, RS512, PS256]), ("p256", &[ES256]), ("p384", &[ES384]), ("ed", &[EdDSA])];
    for (kid, own) in table {
        for algorithm in [RS256, RS512, PS256, ES256, ES384, EdDSA, HS256, HS512] {
            assert_eq!(finds(&keys, Some(kid), algorithm), own.contains(&algorithm), "{kid} {algorithm:?}");
        }
    }
    let secret = KeySet::from_secret(&Secret::new("a shared secret"));
    assert!(finds(&secret, None, HS256) && finds(&secret, Some("any"), HS512));
    assert!(!finds(&secret, None, RS256) && !finds(&secret, Some("any"), ES256));
}

#[test]
fn a_key_that_names_its_algorithm_is_for_that_one() {
    let keys = set(&[with(RSA.jwk(), "alg", "RS256")]).unwrap();
    assert!(finds(&keys, Some("rsa"), RS256));
    assert!(!finds(&keys, Some("rsa"), RS512) && !finds(&keys, Some("rsa"), PS256) && !finds(&keys, None, PS256));
    // A key with an unsuitable or unknown `alg` is unusable.
    for alg in ["ES256", "HS256", "RSA-OAEP", "ECDH-ES", "none", "RS1", ""] {
        assert_eq!(set(&[with(RSA.jwk(), "alg", alg)]).unwrap_err(), KeySetError::NoUsableKey, "{alg}");
    }
}

#[test]
fn unusable_keys_are_ignored_and_do_not_affect_others() {
    let ed448 = json!({"kty": "OKP", "crv": "Ed448", "kid": "x", "x": "AAAA"});
    let x25519 = json!({"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AAAA"});
    let p521 = json!({"kty": "EC", "crv": "P-521", "kid": "x", "x": "AAAA", "y": "AAAA"});
    for other in [
        with(RSA.jwk(), "use", "enc"),
        Signer::secret(b"a published shared secret").jwk(),
        with(Signer::secret(b"a published shared secret").jwk(), "alg", "HS256"),
        with(RSA.jwk(), "kty", "AKP"),
        without(RSA.jwk(), "kty"),
        without(RSA.jwk(), "n"),
        with(RSA.jwk(), "n", "not base64!"),
        with(RSA.jwk(), "n", 5),
        with(P256.jwk(), "crv", "secp256k1"),
        without(P256.jwk(), "y"),
        ed448,
        x25519,
        p521,
        json!({}),
        json!(null),
        json!("key"),
        json!([]),
    ] {
        assert_eq!(set(std::slice::from_ref(&other)).unwrap_err(), KeySetError::NoUsableKey, "{other}");
        let keys = set(&[other, P256.jwk()]).unwrap();
        assert!(finds(&keys, Some("p256"), ES256));
        assert!(!finds(&keys, None, RS256) && !finds(&keys, None, HS256));
    }
}

#[test]
fn text_that_is_not_a_key_set_is_refused() {
    for text in ["", "[]", "{}", "null", "{\"keys\":{}}", "{\"keys\":null}", "<html>", "{\"keys\":[", "\u{feff}{}"] {
        assert_eq!(KeySet::from_jwks(text.as_bytes()).unwrap_err(), KeySetError::NotAKeySet, "{text}");
    }
    assert_eq!(set(&[]).unwrap_err(), KeySetError::NoUsableKey);
    // A single key is not a set.
    assert_eq!(KeySet::from_jwks(RSA.jwk().to_string().as_bytes()).unwrap_err(), KeySetError::NotAKeySet);
}

#[test]
fn a_token_without_key_id_needs_exactly_one_suitable_key() {
    let unnamed = || without(P256.jwk(), "kid");
    let other = without(Signer::generate(ES256, "").jwk(), "kid");
    let one = set(&[unnamed(), RSA.jwk()]).unwrap();
    assert!(finds(&one, None, ES256));
    assert!(!finds(&one, Some("p256"), ES256), "a key without an id does not match a token with one");
    let two = set(&[unnamed(), other]).unwrap();
    assert!(!finds(&two, None, ES256));
    let named = set(&[P256.jwk(), Signer::generate(ES256, "second").jwk()]).unwrap();
    assert!(!finds(&named, None, ES256) && finds(&named, Some("p256"), ES256) && finds(&named, Some("second"), ES256));
}

#[test]
fn two_keys_of_different_families_may_share_an_id() {
    let keys = set(&[RSA.jwk(), with(P256.jwk(), "kid", "rsa")]).unwrap();
    assert!(finds(&keys, Some("rsa"), RS256) && finds(&keys, Some("rsa"), ES256));
}

#[test]
fn a_set_is_cut_at_its_64th_key() {
    let keys: Vec<Value> = (0..100).map(|number| with(P256.jwk(), "kid", format!("k{number}"))).collect();
    let keys = set(&keys).unwrap();
    assert!(finds(&keys, Some("k63"), ES256) && !finds(&keys, Some("k64"), ES256));
}

#[test]
fn pem_keys_are_added_one_by_one() {
    let (none, pem) = (KeySet::default(), P256.pem().as_bytes());
    assert!(none.is_empty());
    let one = none.with_pem("a", pem).unwrap();
    assert!(!one.is_empty() && finds(&one, Some("a"), ES256) && !finds(&one, Some("b"), ES256));
    assert!(!finds(&one, Some("a"), ES384) && !finds(&one, Some("a"), HS256));
    let again = one.with_pem("a", pem).unwrap();
    assert_eq!(format!("{again:?}"), "KeySet(1 keys)");
    let mut many = one;
    for number in 0..MOST_KEYS {
        many = many.with_pem(&number.to_string(), pem).unwrap();
    }
    assert_eq!(format!("{many:?}"), format!("KeySet({MOST_KEYS} keys)"));
    assert!(!finds(&many, Some("a"), ES256) && finds(&many, Some("0"), ES256), "the oldest key is dropped");
    for wrong in [RSA.pem(), "", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "<html>"] {
        assert_eq!(KeySet::default().with_pem("a", wrong.as_bytes()).unwrap_err(), KeySetError::NotPem, "{wrong}");
    }
}

#[test]
fn debug_output_shows_only_the_number_of_keys() {
    let secret = KeySet::from_secret(&Secret::new("a shared secret"));
    assert_eq!(format!("{secret:?}"), "KeySet(1 keys)");
}

#[test]
fn ids_lists_the_keys_with_an_id() {
    let keys = set(&[RSA.jwk(), without(P256.jwk(), "kid")]).unwrap();
    assert_eq!(keys.ids().collect::<Vec<_>>(), ["rsa"]);
    assert!(keys.contains("rsa") && !keys.contains("p256") && !keys.contains(""));
    let more = keys.with_pem("third", P256.pem().as_bytes()).unwrap();
    assert_eq!(more.ids().collect::<Vec<_>>(), ["rsa", "third"]);
}
