//! Signed tokens: no token is accepted that breaks its issuer's rules.
//!
//! Input: one byte of options, the header, a line break, the claims, a line break, and the damage done to the token.
//! The check signs header and claims itself, so that the fuzzer passes the signature check. In the texts, `@` and a
//! digit is a time near the present (`@4` is now, a step is [`STEP`] seconds). Bits of options: 0–2 the issuer (see
//! [`issuer`]), 3 sign with another key, 4 pad the parts with `=`, 5 take header and claims as already encoded.

use std::sync::LazyLock;
use std::time::Duration;

use callsign_core::auth::issuer::{Issuer, TokenRules};
use callsign_core::auth::jwks::KeySet;
use callsign_core::auth::jwt;
use callsign_core::auth::verifier::Verifier;
use callsign_core::secret::Secret;
use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit, Mac};
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm::{HS256, HS512, RS256};
use serde_json::{Map, Value};

const SECRET: &str = "a shared secret of an app";
const NOW: i64 = 1_800_000_000;
/// Seconds between `@1` and `@2`; the leeway is twice that.
const STEP: i64 = 3;
const LEEWAY: i64 = 6;
const ISSUER: &str = "https://issuer.example";
/// Characters in an HMAC-SHA256 signature.
const SIGNATURE: usize = 43;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::from_secret(&Secret::new(SECRET)));

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, text)) = data.split_first() else { return };
    let mut lines = text.splitn(3, |&byte| byte == b'\n');
    let header = with_times(lines.next().unwrap_or_default());
    let claims = with_times(lines.next().unwrap_or_default());
    let damage = lines.next().unwrap_or_default();
    let issuer = issuer(options & 7);
    let encode = |part: &[u8]| match (options >> 4) & 3 {
        0 => BASE64URL_NOPAD.encode(part).into_bytes(),
        1 => BASE64URL.encode(part).into_bytes(),
        _ => part.to_vec(),
    };
    let message = [encode(&header), vec![b'.'], encode(&claims)].concat();
    let secret = if options & 8 == 0 { SECRET } else { "a secret of somebody else" };
    let token = [message.clone(), vec![b'.'], sign(secret, &message)].concat();

    let result = jwt::verify(&token, &issuer, &KEYS, NOW);
    let verifier = Verifier::new([KeySet::from_secret(&Secret::new(SECRET))]);
    for _ in 0..2 {
        let remembered = verifier.verify(0, &issuer, &token, NOW).map(|verified| (*verified).clone());
        assert_eq!(remembered, result);
    }
    if let Ok(verified) = &result {
        assert_eq!(options & 8, 0, "signed by somebody else");
        let (header, claims) = (object(&header, options), object(&claims, options));
        assert!(agrees(&header, &claims, &issuer), "{header:?} {claims:?}");
        assert_eq!(Some(verified.user.as_str()), claims.get(&issuer.user_claim).and_then(Value::as_str));
        for id in [&verified.user].into_iter().chain(&verified.session) {
            assert!(id.len() <= 512 && !id.contains(char::is_control), "{id:?}");
        }
        assert!(verified.expires > NOW);
        let later = jwt::verify(&token, &issuer, &KEYS, verified.expires);
        assert!(later.is_err(), "it expires");
        assert!(verifier.verify(0, &issuer, &token, verified.expires).is_err(), "a remembered one, too");
        check_damaged(&token, damage, &issuer);
    }
    // The text is verified as it is, too.
    assert!(jwt::verify(text, &issuer, &KEYS, NOW).is_err() || text.len() > SIGNATURE);
    let _ = (jwt::claimed_issuer(text), jwt::claimed_issuer(&token), jwt::looks_like_token(text));
}

/// Checks that a good token is refused after a change of any byte.
fn check_damaged(token: &[u8], damage: &[u8], issuer: &Issuer) {
    for pair in damage.chunks_exact(3).take(8) {
        let [high, low, byte] = *pair else { continue };
        let mut damaged = token.to_vec();
        let at = (usize::from(high) << 8 | usize::from(low)) % damaged.len();
        damaged[at] = byte;
        if damaged != token {
            assert!(jwt::verify(&damaged, issuer, &KEYS, NOW).is_err(), "{}", damaged.escape_ascii());
        }
    }
}

/// Applies the issuer's rules independently, by docs/SPEC.md#issuers and RFC 7519.
fn agrees(header: &Map<String, Value>, claims: &Map<String, Value>, issuer: &Issuer) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "times of this century")]
    let (now, leeway) = (NOW as f64, LEEWAY as f64);
    let algorithm = header.get("alg") == Some(&Value::from("HS256")) && issuer.algorithms.contains(&HS256);
    let header_is_plain = !header.contains_key("crit") && header.get("kid").is_none_or(Value::is_string);
    let in_time = time("exp").is_some_and(|exp| exp.floor() + leeway > now)
        && ["nbf", "iat"]
            .iter()
            .all(|name| !claims.contains_key(*name) || time(name).is_some_and(|t| t.floor() <= now + leeway));
    let named = issuer.issuer.is_none() || text("iss") == issuer.issuer.as_deref();
    let audience = issuer.audience.is_empty()
        || match claims.get("aud") {
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str().is_some_and(|one| one == "app")),
            one => one == Some(&Value::from("app")),
        };
    let party = issuer.authorized_parties.is_empty() || text("azp") == Some("https://app.example");
    let rules = match &issuer.token_rules {
        TokenRules::None => true,
        TokenRules::Clerk => {
            header.get("cat").is_none_or(|cat| cat == "cl_B7d4PD111AAA")
                && text("sts") != Some("pending")
                && !text("sub").is_some_and(|subject| subject.starts_with("mch_"))
        }
        TokenRules::Supabase => !matches!(text("role"), Some("anon" | "service_role")),
        TokenRules::OpenWebUiSession => text("typ") == Some("session"),
        TokenRules::AwsAlb { signer } => header.get("signer") == Some(&Value::from(signer.as_str())),
    };
    let user = text(&issuer.user_claim).is_some_and(|user| !user.is_empty());
    algorithm && header_is_plain && in_time && named && audience && party && rules && user
}

/// Decodes a part of an accepted token, which must be an object.
fn object(part: &[u8], options: u8) -> Map<String, Value> {
    let decoded = if (options >> 4) & 3 < 2 {
        part.to_vec()
    } else {
        let unpadded = part.iter().copied().filter(|byte| *byte != b'=').collect::<Vec<_>>();
        BASE64URL_NOPAD.decode(&unpadded).expect("base64url")
    };
    serde_json::from_slice(&decoded).expect("an object")
}

fn sign(secret: &str, message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(message);
    BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()).into_bytes()
}

fn with_times(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'@', Some(digit @ b'0'..=b'9')) => {
                let time = NOW + (i64::from(digit - b'0') - 4) * STEP;
                out.extend_from_slice(time.to_string().as_bytes());
                rest = &after[1..];
            }
            _ => out.push(byte),
        }
    }
    out
}

fn issuer(which: u8) -> Issuer {
    let plain = Issuer {
        name: "test".into(),
        tenant: None,
        issuer: Some(ISSUER.into()),
        algorithms: vec![HS256],
        audience: vec![],
        for_console: false,
        authorized_parties: vec![],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: Some("sid".into()),
        chat_header: None,
        message_header: None,
        leeway: Duration::from_secs(LEEWAY.unsigned_abs()),
        token_rules: TokenRules::None,
        padded: false,
    };
    match which {
        0 => plain,
        1 => Issuer { audience: vec!["app".into()], authorized_parties: vec!["https://app.example".into()], ..plain },
        2 => Issuer { token_rules: TokenRules::Clerk, ..plain },
        3 => Issuer { token_rules: TokenRules::Supabase, session_claim: None, ..plain },
        4 => Issuer { issuer: None, user_claim: "id".into(), token_rules: TokenRules::OpenWebUiSession, ..plain },
        5 => Issuer { issuer: None, token_rules: TokenRules::AwsAlb { signer: "arn:1".into() }, padded: true, ..plain },
        // The issuer's list of algorithms decides, not the token's header.
        6 => Issuer { algorithms: vec![HS256, RS256], ..plain },
        _ => Issuer { algorithms: vec![HS512], ..plain },
    }
}
