//! Measures the resolution of callers: `cargo bench --bench caller`.
//!
//! The budget: at most 60 µs to verify the RS256 signature of a new token, 5 µs for a token that was verified before.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use callsign_core::auth::issuer::{Issuer, TokenRules};
use callsign_core::auth::jwks::KeySet;
use callsign_core::auth::jwt;
use callsign_core::auth::key::{Directory, Grant, Key};
use callsign_core::auth::verifier::Verifier;
use callsign_core::auth::{AuthContext, Caller, Need};
use callsign_core::secret::KeyDigest;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jsonwebtoken::Algorithm::{self, ES256, EdDSA, HS256, RS256};
use serde_json::json;
use signer::{Signer, jwks};

#[path = "../tests/it/support/signer.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod signer;

const NOW: i64 = 1_800_000_000;
const TIME: Timestamp = Timestamp::constant(NOW, 0);
const ISSUER: &str = "https://clerk.acme.example";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn issuer(algorithm: Algorithm) -> Issuer {
    Issuer {
        name: "clerk".into(),
        tenant: None,
        issuer: Some(ISSUER.into()),
        algorithms: vec![algorithm],
        audience: vec![],
        for_console: false,
        authorized_parties: vec!["https://acme.example".into()],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: Some("sid".into()),
        chat_header: None,
        message_header: None,
        leeway: Duration::from_secs(5),
        token_rules: TokenRules::Clerk,
        padded: false,
    }
}

/// Returns a token with Clerk's claims that is valid for almost a century.
fn token(signer: &Signer) -> String {
    signer.token(&json!({
        "azp": "https://acme.example", "exp": NOW + 3_000_000_000_i64, "fea": "o:dashboard,u:chat", "fva": [3, -1],
        "iat": 1_700_000_000, "iss": ISSUER, "jti": "7c5a6c2f3cd2f1b6c8fe", "nbf": 1_700_000_000, "pla": "u:pro",
        "sid": "sess_2N4ZuACdqJrGGgz5c2egqQnwZaN", "sts": "active", "sub": "user_2N4ZuACdqJrGGgz5c2egqQnwZaN", "v": 2,
    }))
}

fn with_credential(credential: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {credential}")).unwrap());
    headers
}

fn signatures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("new token");
    for algorithm in [RS256, ES256, EdDSA] {
        let signer = Signer::generate(algorithm, "ins_2N4ZuACdqJrGGgz5c2egqQnwZaN");
        let keys = KeySet::from_jwks(jwks([&signer]).as_bytes()).unwrap();
        let (issuer, token) = (issuer(algorithm), token(&signer));
        group.bench_function(format!("{algorithm:?}"), |bencher| {
            bencher.iter(|| jwt::verify(black_box(token.as_bytes()), &issuer, &keys, NOW).unwrap());
        });
    }
    let secret = callsign_core::secret::Secret::new("a shared secret of an app");
    let (signer, keys) = (Signer::secret(secret.expose().as_bytes()), KeySet::from_secret(&secret));
    let (issuer, token) = (issuer(HS256), token(&signer));
    group.bench_function("HS256", |bencher| {
        bencher.iter(|| jwt::verify(black_box(token.as_bytes()), &issuer, &keys, NOW).unwrap());
    });
}

fn remembered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token that has been seen");
    let signer = Signer::generate(RS256, "ins_2N4ZuACdqJrGGgz5c2egqQnwZaN");
    let verifier = Verifier::new([KeySet::from_jwks(jwks([&signer]).as_bytes()).unwrap()]);
    let (rules, token) = (issuer(RS256), token(&signer));
    group.bench_function("verification", |bencher| {
        bencher.iter(|| verifier.verify(0, &rules, black_box(token.as_bytes()), NOW).unwrap());
    });
    // From the headers of a request to its caller.
    let directory = Directory::new([], None, false).with_issuers(vec![issuer(RS256)]);
    let headers = with_credential(&token);
    let known = AuthContext {
        directory: &directory,
        verifier: &verifier,
        stored: &callsign_core::stored_key::NoStoredKeys,
        now: TIME,
    };
    group.bench_function("whole step", |bencher| {
        bencher.iter(|| Caller::resolve(black_box(&headers), ADDRESS, known, Need::Identity).unwrap());
    });
    group.finish();
    let keys = KeySet::from_jwks(jwks([&signer]).as_bytes()).unwrap();
    criterion.bench_function("new token/whole step, RS256", |bencher| {
        let forgetful = || Verifier::new([keys.clone()]);
        let resolve = |verifier: &mut Verifier| {
            let known = AuthContext {
                directory: &directory,
                verifier,
                stored: &callsign_core::stored_key::NoStoredKeys,
                now: TIME,
            };
            Caller::resolve(black_box(&headers), ADDRESS, known, Need::Identity).unwrap().user.is_some()
        };
        bencher.iter_batched_ref(forgetful, resolve, BatchSize::SmallInput);
    });
}

fn personal_keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("personal key");
    let verifier = Verifier::default();
    for count in [10, 100_000] {
        let secret = |number: usize| format!("sk-cs-{number:040}");
        let key = |number| {
            let grant = Grant::User(format!("user-{number}"));
            Key::new(format!("key-{number}"), KeyDigest::of(secret(number).as_bytes()), grant)
        };
        let directory = Directory::new((0..count).map(key), None, false);
        let headers: Vec<HeaderMap> =
            (0..count).step_by(count / 10).map(|number| with_credential(&secret(number))).collect();
        let known = AuthContext {
            directory: &directory,
            verifier: &verifier,
            stored: &callsign_core::stored_key::NoStoredKeys,
            now: TIME,
        };
        let mut next = headers.iter().cycle();
        group.bench_function(format!("one of {count}"), |bencher| {
            bencher.iter(|| {
                let headers = next.next().unwrap();
                Caller::resolve(black_box(headers), ADDRESS, known, Need::Identity).unwrap()
            });
        });
    }
}

criterion_group!(benches, signatures, remembered, personal_keys);
criterion_main!(benches);
