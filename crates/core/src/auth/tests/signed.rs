//! Callers that are identified by a token, as the credential or next to an app's key.

use std::time::Duration;

use jsonwebtoken::Algorithm::HS256;
use serde_json::json;

use super::*;
use crate::auth::issuer::TokenRules;
use crate::auth::jwks::KeySet;
use crate::auth::signer;
use crate::secret::Secret;

const SECRET: &str = "a secret that issuer and callsign share";
/// The issuer whose tokens are sent next to the app's key.
const FORWARDED: IssuerId = 0;

fn issuer(name: &str, header: HeaderName) -> Issuer {
    Issuer {
        name: name.into(),
        tenant: Some(format!("tenant-of-{name}")),
        issuer: Some(format!("https://{name}.example")),
        algorithms: vec![HS256],
        audience: vec![],
        for_console: false,
        authorized_parties: vec![],
        header,
        user_claim: "sub".into(),
        session_claim: Some("sid".into()),
        chat_header: Some(HeaderName::from_static("x-chat-id")),
        message_header: None,
        leeway: Duration::ZERO,
        token_rules: TokenRules::None,
        padded: false,
    }
}

fn signed_directory() -> Directory {
    let app = key("app", APP, Grant::Signed(FORWARDED));
    let direct = |name| issuer(name, http::header::AUTHORIZATION);
    let nameless = Issuer { issuer: None, token_rules: TokenRules::OpenWebUiSession, ..direct("nameless") };
    let issuers = vec![
        issuer("identity_header", HeaderName::from_static("x-token")),
        direct("direct"),
        direct("other"),
        nameless,
    ];
    Directory::new([app], None, false).with_issuers(issuers)
}

fn token(issuer: &str, user: &str) -> String {
    let claims =
        json!({"iss": format!("https://{issuer}.example"), "sub": user, "sid": "s1", "exp": 4_000_000_000_u64});
    signer::Signer::secret(SECRET.as_bytes()).token(&claims)
}

/// A resolved caller: user, session, chat, tenant and key.
type Who = (Option<String>, Option<String>, Option<String>, Option<String>, String);

fn who(pairs: &[(&str, &str)], need: Need) -> Result<Who, AuthError> {
    who_at(NOW, pairs, need)
}

fn who_at(now: Timestamp, pairs: &[(&str, &str)], need: Need) -> Result<Who, AuthError> {
    let jwks = || KeySet::from_secret(&Secret::new(SECRET));
    let (directory, verifier) = (signed_directory(), Verifier::new([jwks(), jwks(), jwks(), jwks()]));
    let headers = headers(pairs);
    let known =
        AuthContext { directory: &directory, verifier: &verifier, stored: &crate::stored_key::NoStoredKeys, now };
    let caller = Caller::resolve(&headers, HOME, known, need)?;
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    Ok((own(caller.user), own(caller.session), own(caller.chat), own(caller.tenant), caller.key.into_owned()))
}

fn ada(tenant: &str, key: &str) -> Who {
    (Some("ada".into()), Some("s1".into()), Some("c1".into()), Some(tenant.into()), key.into())
}

#[test]
fn a_token_can_be_the_credential() {
    let bearer = format!("Bearer {}", token("direct", "ada"));
    let pairs = [("authorization", bearer.as_str()), ("x-chat-id", "c1"), ("x-user-id", "mallory")];
    for need in [Need::Identity, Need::Credential] {
        assert_eq!(who(&pairs, need), Ok(ada("tenant-of-direct", "direct")));
    }
    for bad in [format!("{bearer}x"), format!("Bearer {}", token("identity_header", "ada")), "Bearer a.b.c".into()] {
        for need in [Need::Identity, Need::Credential] {
            assert!(who(&[("authorization", &bad)], need).is_err(), "{bad}");
        }
    }
}

#[test]
fn a_token_can_be_sent_next_to_an_app_key() {
    let good = token("identity_header", "ada");
    let scheme = format!("Bearer {good}");
    for token in [good.as_str(), &scheme, &format!(" {good}\t")] {
        let pairs = [("x-api-key", APP), ("x-token", token), ("x-chat-id", "c1")];
        for need in [Need::Identity, Need::Credential] {
            assert_eq!(who(&pairs, need), Ok(ada("tenant-of-identity_header", "app")));
        }
    }
}

#[test]
fn a_missing_or_invalid_token_has_no_fallback() {
    for missing in [&[("x-api-key", APP), ("x-user-id", "mallory")][..], &[("x-api-key", APP), ("x-token", " ")]] {
        assert_eq!(who(missing, Need::Identity), Err(AuthError::MissingToken));
        let (user, .., tenant, key) = who(missing, Need::Credential).unwrap();
        assert_eq!((user, tenant.as_deref(), key.as_str()), (None, Some("tenant-of-identity_header"), "app"));
    }
    let (good, other) = (token("identity_header", "ada"), token("direct", "ada"));
    for need in [Need::Identity, Need::Credential] {
        for bad in ["x", "a.b.c", &format!("{good}x"), &other] {
            let refused = who(&[("x-api-key", APP), ("x-token", bad)], need);
            assert!(matches!(refused, Err(AuthError::InvalidToken(_))), "{bad}: {refused:?}");
        }
        let twice = who(&[("x-api-key", APP), ("x-token", &good), ("x-token", &good)], need);
        assert!(matches!(twice, Err(AuthError::AmbiguousIdentity(_))), "{twice:?}");
    }
}

#[test]
fn a_refusal_names_issuer_and_reason_and_not_the_token() {
    let (token, expiry) = (token("direct", "ada"), Timestamp::constant(4_000_000_000, 0));
    let bearer = format!("Bearer {token}");
    let pairs = [("authorization", bearer.as_str())];
    assert!(who_at(expiry - jiff::SignedDuration::from_secs(1), &pairs, Need::Identity).is_ok());
    let refused = who_at(expiry, &pairs, Need::Identity).unwrap_err();
    let reason = TokenError::Refused("it has expired");
    assert_eq!(refused, AuthError::InvalidToken(RefusedToken { issuer: "direct".into(), reason }));
    let shown = format!("{refused} {refused:?}");
    assert!(token.split('.').chain(["ada"]).all(|part| !shown.contains(part)), "{shown}");
    assert_eq!(refused.to_string(), AuthError::MissingToken.to_string(), "the caller does not learn the reason");
}

#[test]
fn an_unknown_signing_key_is_returned_for_a_refresh() {
    let signed = signer::Signer::generate(jsonwebtoken::Algorithm::ES256, "new");
    let known = signer::Signer::generate(jsonwebtoken::Algorithm::ES256, "old");
    let rules =
        Issuer { algorithms: vec![jsonwebtoken::Algorithm::ES256], ..issuer("direct", http::header::AUTHORIZATION) };
    let directory = Directory::new([], None, false).with_issuers(vec![rules]);
    let verifier = Verifier::new([KeySet::from_jwks(signer::jwks([&known]).as_bytes()).unwrap()]);
    let claims = json!({"iss": "https://direct.example", "sub": "ada", "exp": 4_000_000_000_u64});
    let headers = headers(&[("authorization", &format!("Bearer {}", signed.token(&claims)))]);
    let known =
        AuthContext { directory: &directory, verifier: &verifier, stored: &crate::stored_key::NoStoredKeys, now: NOW };
    let refused = Caller::resolve(&headers, HOME, known, Need::Identity).unwrap_err();
    assert_eq!(refused, AuthError::UnknownKey(UnknownKey { issuer: 0, kid: Some("new".into()) }));
}

#[test]
fn the_issuer_is_selected_by_iss() {
    for name in ["direct", "other"] {
        let bearer = format!("Bearer {}", token(name, "ada"));
        let (user, .., tenant, key) = who(&[("authorization", &bearer)], Need::Identity).unwrap();
        assert_eq!((user.as_deref(), tenant, key.as_str()), (Some("ada"), Some(format!("tenant-of-{name}")), name));
    }
    // A token without `iss` belongs to the issuer without a configured one.
    let claims = json!({"typ": "session", "sub": "ada", "exp": 4_000_000_000_u64});
    let bearer = format!("Bearer {}", signer::Signer::secret(SECRET.as_bytes()).token(&claims));
    assert_eq!(who(&[("authorization", &bearer)], Need::Identity).unwrap().4, "nameless");
    // Text that is not a token has no issuer.
    for bad in ["Bearer a-key-of-nobody-000001", "Bearer a.b", "Bearer ..."] {
        assert_eq!(who(&[("authorization", bad)], Need::Identity), Err(AuthError::InvalidCredential), "{bad}");
    }
}

#[test]
fn a_cached_token_keeps_its_issuer() {
    let jwks = || KeySet::from_secret(&Secret::new(SECRET));
    let (directory, verifier) = (signed_directory(), Verifier::new([jwks(), jwks(), jwks(), jwks()]));
    let known =
        AuthContext { directory: &directory, verifier: &verifier, stored: &crate::stored_key::NoStoredKeys, now: NOW };
    for _ in 0..2 {
        for name in ["other", "direct"] {
            let headers = headers(&[("authorization", &format!("Bearer {}", token(name, "ada")))]);
            let caller = Caller::resolve(&headers, HOME, known, Need::Identity).unwrap();
            assert_eq!((caller.key.as_ref(), caller.user.as_deref()), (name, Some("ada")));
        }
    }
}
