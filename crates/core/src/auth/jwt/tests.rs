mod presets;

use std::sync::LazyLock;
use std::time::Duration;

use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
use serde_json::json;

use super::*;
use crate::auth::issuer::TokenRules;
use crate::auth::signer::{Signer, jwks};
use crate::identity::longest;
use crate::secret::Secret;

/// The current time in all tests (Unix seconds).
const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const SECRET: &str = "a shared secret of an app";

static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::generate(RS256, "rsa-1"));
static P256: LazyLock<Signer> = LazyLock::new(|| Signer::generate(ES256, "p256-1"));

/// An issuer that accepts ES256, whose signatures are fast to create.
fn issuer() -> Issuer {
    Issuer {
        name: "test".into(),
        tenant: None,
        issuer: Some(ISSUER.into()),
        algorithms: vec![ES256],
        audience: vec![],
        for_console: false,
        authorized_parties: vec![],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: Some("sid".into()),
        chat_header: None,
        message_header: None,
        leeway: Duration::from_secs(5),
        token_rules: TokenRules::None,
        padded: false,
    }
}

fn pinned_to(algorithms: &[Algorithm]) -> Issuer {
    Issuer { algorithms: algorithms.to_vec(), ..issuer() }
}

fn keys() -> KeySet {
    KeySet::from_jwks(jwks([&*RSA, &*P256]).as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "user_1", "sid": "sess_1", "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 60})
}

/// Returns the default claims with one changed, or removed if `value` is null.
fn changed(name: &str, value: Value) -> Value {
    changed_in(claims(), name, value)
}

fn changed_in(mut object: Value, name: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object
}

/// Verifies a token with these claims, signed with the ES256 key.
fn verify_claims(issuer: &Issuer, claims: &Value) -> Result<Verified, TokenError> {
    verify(P256.token(claims).as_bytes(), issuer, &keys(), NOW)
}

#[track_caller]
fn assert_refused(result: Result<Verified, TokenError>, reason: &str) {
    match result {
        Err(TokenError::Refused(text)) => assert!(text.contains(reason), "{text:?}, not {reason:?}"),
        other => panic!("{other:?}, not refused because of {reason:?}"),
    }
}

#[test]
fn each_algorithm_is_accepted_only_if_configured() {
    let (p384, ed) = (Signer::generate(ES384, "p384-1"), Signer::generate(EdDSA, "ed-1"));
    let public = KeySet::from_jwks(jwks([&*RSA, &*P256, &p384, &ed]).as_bytes()).unwrap();
    let secret = KeySet::from_secret(&Secret::new(SECRET));
    let shared = Signer::secret(SECRET.as_bytes());
    let mut signers: Vec<Signer> = [RS256, RS384, RS512, PS256, PS384, PS512].map(|name| RSA.with(name)).into();
    signers.extend([P256.clone(), p384, ed]);
    let all = [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512];
    let with_keys = signers.iter().map(|signer| (signer, &public));
    for ((signer, keys), algorithm) in with_keys.chain([(&shared, &secret)]).zip(all) {
        let token = signer.token(&claims());
        let expected = Verified { user: "user_1".into(), session: Some("sess_1".into()), expires: NOW + 65 };
        assert_eq!(verify(token.as_bytes(), &pinned_to(&[algorithm]), keys, NOW), Ok(expected), "{algorithm:?}");
        for other in all.into_iter().filter(|other| *other != algorithm) {
            let refused = verify(token.as_bytes(), &pinned_to(&[other]), keys, NOW);
            assert_eq!(refused, Err(TokenError::Algorithm), "{algorithm:?} where only {other:?} is allowed");
        }
    }
}

#[test]
fn unknown_unsigned_and_unsuitable_algorithms_are_refused() {
    let everything = pinned_to(&[RS256, PS256, ES256, ES384, EdDSA, HS256, HS384, HS512]);
    let names = ["none", "None", "NONE", "nOnE", "", "es256", "ES256K", "ES512", "RS1", "dir", "ECDH-ES"];
    for name in names.map(Value::from).into_iter().chain([Value::Null, json!(256), json!(["ES256"]), json!({})]) {
        let header = changed_in(P256.header(), "alg", name);
        for token in [P256.sign(&header, &claims()), unsigned(&header)] {
            assert_eq!(verify(token.as_bytes(), &everything, &keys(), NOW), Err(TokenError::Algorithm), "{header}");
        }
    }
    // An empty signature with an accepted algorithm.
    let unsigned = unsigned(&P256.header());
    assert_eq!(verify(unsigned.as_bytes(), &everything, &keys(), NOW), Err(TokenError::Signature));
    // A key is not used with another family, even if the issuer accepts that family too.
    for (signer, other) in [(&*P256, "RS256"), (&*P256, "ES384"), (&*RSA, "ES256"), (&*RSA, "EdDSA")] {
        let header = changed_in(signer.header(), "alg", other.into());
        let token = signer.sign(&header, &claims());
        let refused = verify(token.as_bytes(), &everything, &keys(), NOW);
        assert!(matches!(refused, Err(TokenError::UnknownKey { .. })), "{other}: {refused:?}");
    }
    // The right family, but not the algorithm that the token was signed with.
    let header = changed_in(RSA.header(), "alg", "PS256".into());
    let token = RSA.sign(&header, &claims());
    assert_eq!(verify(token.as_bytes(), &everything, &keys(), NOW), Err(TokenError::Signature));
}

fn unsigned(header: &Value) -> String {
    let token = P256.sign(header, &claims());
    token[..=token.rfind('.').unwrap()].to_owned()
}

#[test]
fn a_public_key_is_not_accepted_as_shared_secret() {
    let text = |name: &str| RSA.jwk()[name].as_str().unwrap().as_bytes().to_vec();
    let decoded = |name: &str| BASE64URL_NOPAD.decode(&text(name)).unwrap();
    let der = pem_contents(RSA.pem());
    let jwk = RSA.jwk().to_string().into_bytes();
    let pem = RSA.pem().as_bytes().to_vec();
    let known = [pem.clone(), pem.trim_ascii().to_vec(), der, jwk, jwks([&*RSA]).into_bytes(), text("n"), decoded("n")];
    for secret in known {
        let forger = Signer::secret(&secret);
        for kid in [Value::Null, "rsa-1".into()] {
            let token = forger.sign(&changed_in(forger.header(), "kid", kid), &claims());
            let rsa = verify(token.as_bytes(), &pinned_to(&[RS256]), &keys(), NOW);
            assert_eq!(rsa, Err(TokenError::Algorithm));
            let both = verify(token.as_bytes(), &pinned_to(&[RS256, HS256]), &keys(), NOW);
            assert!(matches!(both, Err(TokenError::UnknownKey { .. })), "{both:?}");
        }
    }
}

fn pem_contents(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    data_encoding::BASE64.decode(lines.as_bytes()).unwrap()
}

#[test]
fn any_change_to_a_token_makes_it_invalid() {
    let token = P256.token(&claims());
    assert!(verify(token.as_bytes(), &issuer(), &keys(), NOW).is_ok());
    for at in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(&other, &issuer(), &keys(), NOW).is_err(), "at {at} of {token}");
        assert!(verify(&token.as_bytes()[..at], &issuer(), &keys(), NOW).is_err(), "cut at {at}");
    }
    // Another issuer's key under the same id.
    let stranger = Signer::generate(ES256, "p256-1").token(&claims());
    assert_eq!(verify(stranger.as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Signature));
    // The signature of one token on the claims of another.
    let mallory = P256.token(&changed("sub", "mallory".into()));
    let signature = &token[token.rfind('.').unwrap()..];
    let swapped = format!("{}{signature}", &mallory[..mallory.rfind('.').unwrap()]);
    assert_eq!(verify(swapped.as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Signature));
}

#[test]
fn times_are_checked_to_the_second_with_leeway() {
    let issuer = issuer();
    for (name, value, accepted) in [
        ("exp", json!(NOW), true),
        ("exp", json!(NOW - 4), true),
        ("exp", json!(NOW - 5), false),
        ("exp", json!(NOW - 6), false),
        ("exp", json!(-1), false),
        ("exp", json!(0), false),
        ("exp", json!(1_799_999_996.0), true),
        ("exp", json!(1_799_999_995.9), false),
        ("exp", json!(u64::MAX), true),
        ("exp", json!(i64::MAX), true),
        ("exp", json!(i64::MIN), false),
        ("exp", json!(1e300), true),
        ("nbf", json!(NOW + 5), true),
        ("nbf", json!(NOW + 6), false),
        ("nbf", json!(u64::MAX), false),
        ("nbf", json!(1e300), false),
        ("nbf", Value::Null, true),
        ("iat", json!(NOW + 5), true),
        ("iat", json!(NOW + 6), false),
        ("iat", json!(1_800_000_005.9), true),
        ("iat", json!(i64::MIN), true),
        ("iat", Value::Null, true),
    ] {
        let result = verify_claims(&issuer, &changed(name, value.clone()));
        assert_eq!(result.is_ok(), accepted, "{name} = {value}: {result:?}");
    }
    let strict = Issuer { leeway: Duration::ZERO, ..issuer };
    assert!(verify_claims(&strict, &changed("exp", json!(NOW + 1))).is_ok());
    assert_refused(verify_claims(&strict, &changed("exp", json!(NOW))), "expired");
    assert_refused(verify_claims(&strict, &changed("nbf", json!(NOW + 1))), "nbf");
    assert_refused(verify_claims(&strict, &changed("iat", json!(NOW + 1))), "iat");
}

#[test]
fn missing_and_wrong_claims_are_refused() {
    let (plain, null) = (issuer(), Value::Null);
    let for_us = Issuer { audience: vec!["us".into(), "them".into()], ..issuer() };
    let console = Issuer { for_console: true, ..for_us.clone() };
    let of_app = Issuer { authorized_parties: vec!["https://app.example".into()], ..issuer() };
    let slashed = format!("{ISSUER}/");
    for (issuer, name, value, reason) in [
        (&plain, "exp", null.clone(), "no exp"),
        (&plain, "exp", json!((NOW + 60).to_string()), "not a number"),
        (&plain, "exp", json!(true), "not a number"),
        (&plain, "exp", json!([NOW + 60]), "not a number"),
        (&plain, "nbf", json!("0"), "not a number"),
        (&plain, "iat", json!({}), "not a number"),
        (&plain, "iss", null.clone(), "(iss)"),
        (&plain, "iss", json!("https://other.example"), "(iss)"),
        (&plain, "iss", json!(slashed), "(iss)"),
        (&plain, "iss", json!("HTTPS://issuer.example"), "(iss)"),
        (&plain, "iss", json!([ISSUER]), "(iss)"),
        (&plain, "iss", json!(""), "(iss)"),
        (&for_us, "aud", null.clone(), "(aud)"),
        (&for_us, "aud", json!("others"), "(aud)"),
        (&for_us, "aud", json!("US"), "(aud)"),
        (&for_us, "aud", json!(["others", "more"]), "(aud)"),
        (&for_us, "aud", json!([]), "(aud)"),
        (&for_us, "aud", json!([["us"], {"us": "us"}, 1]), "(aud)"),
        (&for_us, "aud", json!({"us": true}), "(aud)"),
        (&console, "aud", json!(["us", "others"]), "one audience"),
        (&console, "aud", json!(["us", 1]), "one audience"),
        (&console, "aud", json!("others"), "(aud)"),
        (&of_app, "azp", null.clone(), "(azp)"),
        (&of_app, "azp", json!("https://other.example"), "(azp)"),
        (&of_app, "azp", json!(["https://app.example"]), "(azp)"),
        (&of_app, "azp", json!(""), "(azp)"),
        (&plain, "sub", null, "user claim"),
        (&plain, "sub", json!(""), "user claim"),
        (&plain, "sub", json!("a\u{1f}b"), "user claim"),
        (&plain, "sub", json!("a\u{85}"), "user claim"),
        (&plain, "sub", json!(7), "user claim"),
        (&plain, "sub", json!(["user_1"]), "user claim"),
        (&plain, "sub", json!({"id": "user_1"}), "user claim"),
        (&plain, "sub", json!(true), "user claim"),
    ] {
        assert_refused(verify_claims(issuer, &changed(name, value)), reason);
    }
    // A claim that is JSON null is present and wrong.
    for (name, reason) in [("exp", "not a number"), ("nbf", "not a number"), ("iss", "(iss)"), ("sub", "user claim")] {
        let mut claims = claims();
        claims[name] = Value::Null;
        assert_refused(verify_claims(&plain, &claims), reason);
    }
    for (issuer, name, value) in [
        (&for_us, "aud", json!("us")),
        (&for_us, "aud", json!(["others", "them"])),
        (&for_us, "aud", json!([1, null, "us"])),
        (&plain, "aud", json!("anything")),
        (&of_app, "azp", json!("https://app.example")),
        (&plain, "azp", json!("https://other.example")),
    ] {
        assert!(verify_claims(issuer, &changed(name, value.clone())).is_ok(), "{name} = {value}");
    }
}

#[test]
fn an_unverified_address_signs_nobody_in_to_the_console() {
    let by_address = Issuer { user_claim: "email".into(), audience: vec!["us".into()], ..issuer() };
    let console = Issuer { for_console: true, ..by_address.clone() };
    let of = |verified| {
        let claims = changed_in(changed("aud", json!(["us"])), "email", "dana@example.com".into());
        changed_in(claims, "email_verified", verified)
    };
    for (verified, accepted) in
        [(Value::Null, true), (json!(true), true), (json!(false), false), (json!("true"), false)]
    {
        let result = verify_claims(&console, &of(verified.clone()));
        assert_eq!(result.is_ok(), accepted, "{verified}: {result:?}");
        assert!(verify_claims(&by_address, &of(verified)).is_ok(), "of a caller");
    }
}

#[test]
fn the_user_is_the_configured_claim_unchanged() {
    let longest = "é".repeat(longest::ID / 2);
    for user in [" user 1 ", "null", "{{USER}}", "auth0|1", "ü", "0", &longest] {
        assert_eq!(verify_claims(&issuer(), &changed("sub", user.into())).unwrap().user, user);
    }
    let by_id = Issuer { user_claim: "id".into(), ..issuer() };
    assert_eq!(verify_claims(&by_id, &changed("id", "42".into())).unwrap().user, "42");
    assert_refused(verify_claims(&by_id, &claims()), "user claim");
    // A dot in a claim name is not a path.
    let dotted = Issuer { user_claim: "user.id".into(), ..issuer() };
    assert_refused(verify_claims(&dotted, &changed("user", json!({"id": "42"}))), "user claim");
}

#[test]
fn an_over_long_or_invisible_claim_is_refused() {
    let long = "x".repeat(longest::ID + 1);
    for value in
        [&long, "a\u{1f}b", "a\u{85}", "a\u{200b}b", "\u{feff}a", "a\u{2028}b", "a\u{3164}", "a\u{fe0f}", "a\u{e0041}"]
    {
        assert_refused(verify_claims(&issuer(), &changed("sub", value.into())), "user claim");
        assert_refused(verify_claims(&issuer(), &changed("sid", value.into())), "session claim");
    }
    let fits = "x".repeat(longest::ID);
    let verified = verify_claims(&issuer(), &changed("sid", fits.as_str().into())).unwrap();
    assert_eq!(verified.session, Some(fits));
    let unnamed = Issuer { session_claim: None, ..issuer() };
    assert!(verify_claims(&unnamed, &changed("sid", long.into())).is_ok(), "a claim that is not read");
}

#[test]
fn a_session_claim_that_is_not_text_is_absent() {
    for value in [Value::Null, json!(7), json!(""), json!(["sess_1"]), json!({}), json!(false)] {
        assert_eq!(verify_claims(&issuer(), &changed("sid", value.clone())).unwrap().session, None, "{value}");
    }
    let unnamed = Issuer { session_claim: None, ..issuer() };
    assert_eq!(verify_claims(&unnamed, &claims()).unwrap().session, None);
}

#[test]
fn without_configured_issuer_any_iss_is_accepted() {
    let unnamed = Issuer { issuer: None, ..issuer() };
    assert!(verify_claims(&unnamed, &changed("iss", Value::Null)).is_ok());
    assert!(verify_claims(&unnamed, &claims()).is_ok());
}

#[test]
fn key_headers_of_a_token_are_ignored() {
    let stranger = Signer::generate(ES256, "p256-1");
    let certificate = data_encoding::BASE64.encode(&pem_contents(stranger.pem()));
    for (name, value) in [
        ("jku", json!("https://mallory.example/jwks.json")),
        ("x5u", json!("https://mallory.example/cert.pem")),
        ("jwk", stranger.jwk()),
        ("x5c", json!([certificate])),
        ("x5t", json!("AAAA")),
        ("url", json!("https://mallory.example/")),
    ] {
        let header = changed_in(P256.header(), name, value);
        let own = P256.sign(&header, &claims());
        assert!(verify(own.as_bytes(), &issuer(), &keys(), NOW).is_ok(), "{header}");
        let forged = stranger.sign(&header, &claims());
        assert_eq!(verify(forged.as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Signature), "{header}");
        let unnamed = stranger.sign(&changed_in(header, "kid", "mallory".into()), &claims());
        let refused = verify(unnamed.as_bytes(), &issuer(), &keys(), NOW);
        assert_eq!(refused, Err(TokenError::UnknownKey { kid: Some("mallory".into()) }));
    }
}

#[test]
fn any_crit_header_is_refused() {
    for value in [json!(["b64"]), json!(["exp"]), json!([]), json!("b64"), json!(1), json!({})] {
        let token = P256.sign(&changed_in(P256.header(), "crit", value), &claims());
        assert_refused(verify(token.as_bytes(), &issuer(), &keys(), NOW), "crit");
    }
    let null = P256.sign_text(r#"{"alg":"ES256","kid":"p256-1","crit":null}"#, &claims().to_string());
    assert_refused(verify(null.as_bytes(), &issuer(), &keys(), NOW), "crit");
}

#[test]
fn key_ids_are_strings_and_compared_exactly() {
    for value in [json!(1), json!(["p256-1"]), json!({"kid": "p256-1"}), json!(true)] {
        let token = P256.sign(&changed_in(P256.header(), "kid", value), &claims());
        assert_eq!(verify(token.as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Malformed));
    }
    for (kid, unknown) in [("", ""), ("P256-1", "P256-1"), ("p256-1 ", "p256-1 "), ("../x", "../x")] {
        let token = P256.sign(&changed_in(P256.header(), "kid", kid.into()), &claims());
        let refused = verify(token.as_bytes(), &issuer(), &keys(), NOW);
        assert_eq!(refused, Err(TokenError::UnknownKey { kid: Some(unknown.into()) }));
    }
    // Without an id the key is unambiguous: only one suits ES256.
    let token = P256.sign(&changed_in(P256.header(), "kid", Value::Null), &claims());
    assert!(verify(token.as_bytes(), &issuer(), &keys(), NOW).is_ok());
}

#[test]
fn malformed_tokens_are_refused() {
    let good = P256.token(&claims());
    let (header, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let text = claims().to_string();
    let head = P256.header().to_string();
    let mut padded = changed("filler", "???????".into()).to_string();
    let standard = format!("{header}.{}", data_encoding::BASE64_NOPAD.encode(padded.as_bytes()));
    padded.push_str(["  ", " ", "   "][padded.len() % 3]);
    let padded = format!("{header}.{}", BASE64URL.encode(padded.as_bytes()));
    assert!(standard.contains('/') && padded.ends_with('='));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}{signature}"),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!("{good}."),
        format!("{header}..{payload}.{signature}"),
        format!("{good}, {good}"),
        format!("{good} {good}"),
        format!(" {good}"),
        format!("{header}=.{payload}.{signature}"),
        P256.sign_encoded(&padded),
        P256.sign_encoded(&standard),
        P256.sign_text(&head, ""),
        P256.sign_text(&head, "null"),
        P256.sign_text(&head, "[]"),
        P256.sign_text(&head, &format!("[{text}]")),
        P256.sign_text(&head, "\"sub\""),
        P256.sign_text(&head, "{\"sub\":\"user_1\""),
        P256.sign_text(&head, &format!("{text}{text}")),
        P256.sign_text(&head, &format!("\u{feff}{text}")),
        P256.sign_text(&head, &deep),
        P256.sign_text(&head, &text.replace("user_1", "\\ud800")),
        P256.sign_text(&format!("[{head}]"), &text),
        P256.sign_text("ES256", &text),
        P256.sign_text("", &text),
    ] {
        assert_eq!(verify(token.as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Malformed), "{token:?}");
    }
    let not_utf8 = [good.as_bytes(), b"\xff"].concat();
    assert_eq!(verify(&not_utf8, &issuer(), &keys(), NOW), Err(TokenError::Malformed));
    // A signature that is not base64url counts as a wrong signature.
    for wrong in ["", "=", "!", "AAAA", &format!("{signature}A"), &format!("{signature}="), &format!("{signature}\n")] {
        let token = format!("{header}.{payload}.{wrong}");
        assert_eq!(verify(token.as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Signature), "{wrong:?}");
    }
}

#[test]
fn tokens_over_sixteen_kib_are_refused() {
    const SIXTEEN_KIB: usize = 16_384;
    let filled = |size: usize| P256.token(&changed("filler", "x".repeat(size).into()));
    let spare = SIXTEEN_KIB - filled(0).len();
    // Base64 encodes 3 bytes as 4; find the largest filler that fits by trying.
    let most = (spare / 4 * 3 - 4..spare).take_while(|size| filled(*size).len() <= SIXTEEN_KIB).last().unwrap();
    assert!(verify(filled(most).as_bytes(), &issuer(), &keys(), NOW).is_ok());
    for size in [most + 1, SIXTEEN_KIB, 10 * SIXTEEN_KIB] {
        assert_eq!(verify(filled(size).as_bytes(), &issuer(), &keys(), NOW), Err(TokenError::Malformed));
    }
}

#[test]
fn the_last_of_duplicate_claims_counts() {
    // RFC 7519, section 4, allows this or refusing the token. All modules must read the same duplicate.
    let text = claims().to_string().replacen('{', r#"{"sub":"mallory","exp":1,"#, 1);
    let token = P256.sign_text(&P256.header().to_string(), &text);
    assert_eq!(verify(token.as_bytes(), &issuer(), &keys(), NOW).unwrap().user, "user_1");
    let text = claims().to_string().replace('}', r#","exp":1}"#);
    let token = P256.sign_text(&P256.header().to_string(), &text);
    assert_refused(verify(token.as_bytes(), &issuer(), &keys(), NOW), "expired");
    let header = r#"{"alg":"none","alg":"ES256","kid":"x","kid":"p256-1"}"#;
    let token = P256.sign_text(header, &claims().to_string());
    assert!(verify(token.as_bytes(), &issuer(), &keys(), NOW).is_ok());
}

#[test]
fn the_claimed_issuer_is_read_from_unverified_tokens() {
    assert_eq!(claimed_issuer(P256.token(&claims()).as_bytes()).as_deref(), Some(ISSUER));
    assert_eq!(claimed_issuer(unsigned(&json!({"alg": "none"})).as_bytes()).as_deref(), Some(ISSUER));
    for claims in [changed("iss", Value::Null), changed("iss", json!([ISSUER]))] {
        assert_eq!(claimed_issuer(P256.token(&claims).as_bytes()), None);
    }
    let twice = claims().to_string().replacen('{', r#"{"iss":"https://other.example","#, 1);
    for token in ["a.b.c".into(), P256.sign_text("{}", "[]"), P256.sign_text("{}", &twice)] {
        assert_eq!(claimed_issuer(token.as_bytes()), None, "{token}");
    }
    assert!(looks_like_token(b"a.b.c") && !looks_like_token(b"a.b") && !looks_like_token(b"a.b.c.d"));
}

#[test]
fn error_messages_do_not_contain_the_key_id() {
    let unknown = TokenError::UnknownKey { kid: Some("the-kid".into()) };
    assert!(!unknown.to_string().contains("the-kid"));
}
