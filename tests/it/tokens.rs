//! Signed callers through all of callsign: good and bad tokens, as credentials and beside an app's key; issuer keys
//! that change (`keys`); tenants, and many users on one app's key (`people`).
//!
//! The issuers are local servers (`support/key_server.rs`). Unit tests cover the checks of a token in detail. Every
//! request here also has unsigned headers of a user `mallory`, so that a fallback to them would show.

mod keys;
mod people;

use std::sync::LazyLock;

use jsonwebtoken::Algorithm::{ES256, RS256, RS384};
use mock_openrouter::MockServer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::client::{self, Answer, Headers};
use crate::support::key_server::KeyServer;
use crate::support::proxy::{ALICE, Callsign, OPERATOR_KEY, Setup, VALVES};
use crate::support::signer::{Signer, jwks};
use crate::support::within;

const JWKS: &str = "/.well-known/jwks.json";
/// The issuer whose tokens are credentials.
const DIRECT: &str = "https://clerk.direct.example";
/// The issuer whose tokens arrive next to [`SIGNED_APP`].
const BESIDE: &str = "https://clerk.beside.example";
/// The header with those tokens.
const TOKEN_HEADER: &str = "x-user-jwt";
/// The key of an app that forwards its users' tokens.
const SIGNED_APP: &str = "sk-cs-the-key-of-a-signed-app-0001";
const CHAT: &str = "chat/completions";
const BODY: &str = r#"{"model":"m"}"#;

static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::generate(RS256, "rsa-1"));
static P256: LazyLock<Signer> = LazyLock::new(|| Signer::generate(ES256, "p256-1"));

/// Unsigned identity headers in every request, which must be ignored.
const CLAIMED: Headers<'static> = &[
    ("content-type", "application/json"),
    ("x-user-id", "mallory"),
    ("x-session-id", "mallory-session"),
    ("x-openwebui-user-id", "mallory"),
    ("x-openwebui-session-id", "mallory-session"),
    ("x-forwarded-user", "mallory"),
    ("x-chat-id", "chat-1"),
    ("x-message-id", "message-1"),
];

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn sha256(key: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(key.as_bytes()))
}

/// Returns good claims of this issuer.
fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "user_1", "sid": "sess_1", "azp": "https://app.example", "aud": "api",
        "iat": now() - 10, "nbf": now() - 10, "exp": now() + 60,
    })
}

/// Changes one member, or removes it if the value is null.
fn changed(mut object: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => object.as_object_mut().unwrap().remove(name),
        value => object.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    object
}

/// Returns the configuration of two issuers with the same rules and keys, one for each [`Way`].
fn both_ways(server: &KeyServer) -> String {
    let jwks = server.url(JWKS);
    let app = sha256(SIGNED_APP);
    let rules = "preset = \"clerk\"\nalgorithms = [\"RS256\", \"ES256\"]\naudience = [\"api\", \"other\"]\n\
                 authorized_parties = [\"https://app.example\"]";
    format!(
        "[[issuers]]\nname = \"direct\"\nissuer = \"{DIRECT}\"\njwks_url = \"{jwks}\"\n{rules}\n\
         [[issuers]]\nname = \"beside\"\nissuer = \"{BESIDE}\"\njwks_url = \"{jwks}\"\nheader = \"{TOKEN_HEADER}\"\n{rules}\n\
         [[keys]]\nname = \"signed-app\"\nsha256 = \"{app}\"\npreset = \"clerk\"\nissuer = \"beside\"\n"
    )
}

async fn issuer_server() -> KeyServer {
    let server = KeyServer::start().await;
    server.publish(JWKS, jwks([&*RSA, &*P256]));
    server
}

async fn started(toml: &str) -> (MockServer, Callsign) {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&VALVES).toml(toml).start();
    (mock, callsign)
}

/// A way of sending a token.
#[derive(Clone, Copy, Debug)]
enum Way {
    Bearer,
    ApiKey,
    Beside,
}

impl Way {
    fn issuer(self) -> &'static str {
        if matches!(self, Self::Beside) { BESIDE } else { DIRECT }
    }

    async fn request(self, method: http::Method, url: &str, token: &str, body: &str) -> Answer {
        let (bearer, app) = (format!("Bearer {token}"), format!("Bearer {SIGNED_APP}"));
        let own: &[(&str, &str)] = match self {
            Self::Bearer => &[("authorization", &bearer)],
            Self::ApiKey => &[("x-api-key", token)],
            Self::Beside => &[("authorization", &app), (TOKEN_HEADER, token)],
        };
        client::request(method, url, &[CLAIMED, own].concat(), body.to_owned()).await
    }

    async fn post(self, callsign: &Callsign, token: &str) -> Answer {
        self.request(http::Method::POST, &callsign.url(CHAT), token, BODY).await
    }
}

const WAYS: [Way; 3] = [Way::Bearer, Way::ApiKey, Way::Beside];

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-callsign-error")),
        (status, code),
        "{what}: {}",
        answer.text()
    );
}

async fn arrived(mock: &MockServer) -> Value {
    within("the record", mock.next_received()).await.json().unwrap()
}

/// Returns the body that must arrive for a good token of this user and session.
fn attributed(user: &str, session: Option<&str>) -> Value {
    let metadata = json!({"user_id": user, "session_id": session, "chat_id": "chat-1", "message_id": "message-1"});
    let metadata = metadata.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null());
    let mut body = json!({"model": "m", "user": user, "metadata": Value::Object(metadata.collect())});
    if let Some(session) = session {
        body["session_id"] = session.into();
    }
    body
}

fn good_tokens(issuer: &str) -> Vec<(&'static str, String, Value)> {
    let usual = || attributed("user_1", Some("sess_1"));
    let good = claims(issuer);
    let header = |name, value| changed(P256.header(), name, value);
    vec![
        ("RS256", RSA.token(&good), usual()),
        ("ES256", P256.token(&good), usual()),
        ("no session", P256.token(&changed(good.clone(), "sid", Value::Null)), attributed("user_1", None)),
        ("a session that is no text", P256.token(&changed(good.clone(), "sid", json!(7))), attributed("user_1", None)),
        ("a list of audiences", P256.token(&changed(good.clone(), "aud", json!(["x", "other"]))), usual()),
        ("within the leeway", P256.token(&changed(good.clone(), "nbf", json!(now() + 3))), usual()),
        ("Clerk's category", P256.sign(&header("cat", json!("cl_B7d4PD111AAA")), &good), usual()),
        ("jku", P256.sign(&header("jku", json!("https://mallory.example/")), &good), usual()),
        ("no kid", P256.sign(&header("kid", Value::Null), &good), usual()),
        ("an active session", P256.token(&changed(good.clone(), "sts", json!("active"))), usual()),
    ]
}

fn bad_tokens(issuer: &str) -> Vec<(&'static str, String)> {
    let good = claims(issuer);
    let token = P256.token(&good);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let with = |name, value| P256.token(&changed(good.clone(), name, value));
    let header = |name, value| P256.sign(&changed(P256.header(), name, value), &good);
    let stranger = Signer::generate(ES256, "p256-1");
    let unsigned = header("alg", json!("none"));
    let by_public_key = Signer::secret(RSA.pem().as_bytes());
    let by_public_key = by_public_key.sign(&json!({"alg": "HS256", "kid": "rsa-1"}), &good);
    let jwk = changed(P256.header(), "jwk", stranger.jwk());
    let mallory = P256.token(&changed(good.clone(), "sub", json!("mallory")));
    vec![
        ("a wrong signature", stranger.token(&good)),
        ("no signature", format!("{message}.")),
        ("the signature of another token", format!("{}.{signature}", mallory.rsplit_once('.').unwrap().0)),
        ("a key that the token brings", stranger.sign(&jwk, &good)),
        ("another algorithm", RSA.with(RS384).token(&good)),
        ("none", unsigned.clone()),
        ("none, unsigned", format!("{}.", unsigned.rsplit_once('.').unwrap().0)),
        ("HS256 with the public key", by_public_key),
        ("another issuer", with("iss", json!("https://clerk.other.example"))),
        ("no issuer", with("iss", Value::Null)),
        ("another audience", with("aud", json!("others"))),
        ("no audience", with("aud", Value::Null)),
        ("no audience in a list", with("aud", json!([]))),
        ("another party", with("azp", json!("https://other.example"))),
        ("no party", with("azp", Value::Null)),
        ("expired", with("exp", json!(now() - 5))),
        ("no expiry", with("exp", Value::Null)),
        ("an expiry in words", with("exp", json!((now() + 60).to_string()))),
        ("not yet valid", with("nbf", json!(now() + 30))),
        ("from the future", with("iat", json!(now() + 30))),
        ("no user", with("sub", Value::Null)),
        ("an empty user", with("sub", json!(""))),
        ("a user that is a number", with("sub", json!(1))),
        ("a list of users", with("sub", json!(["user_1"]))),
        ("a critical header", header("crit", json!(["exp"]))),
        ("a kid that is no text", header("kid", json!(["p256-1"]))),
        ("an unknown kid", header("kid", json!("unknown"))),
        ("17 KiB", with("filler", json!("x".repeat(17 * 1024 * 3 / 4)))),
        ("two tokens", format!("{token}, {token}")),
        ("two tokens without a comma", format!("{token} {token}")),
        ("half a token", message.to_owned()),
        ("four parts", format!("{token}.{signature}")),
        ("no JSON", P256.sign_text("ES256", "user_1")),
        ("claims that are a list", P256.sign_text(&P256.header().to_string(), &json!([good]).to_string())),
        ("no token", "sk-or-v1-somebody-elses-key".into()),
        ("padding", token.replace('.', "=.")),
        ("a template", header("cat", json!("cl_B7d4PD222AAA"))),
        ("a machine's token", header("cat", json!("cl_B7d4PD333AAA"))),
        ("a machine", with("sub", json!("mch_1"))),
        ("an OAuth token", header("typ", json!("at+jwt"))),
        ("a pending session", with("sts", json!("pending"))),
    ]
}

#[tokio::test]
async fn good_tokens_name_their_users() {
    let server = issuer_server().await;
    let (mock, callsign) = started(&both_ways(&server)).await;
    let mut count = 0;
    for way in WAYS {
        for (name, token, expected) in good_tokens(way.issuer()) {
            // The second time the verified token comes from the cache.
            for _ in 0..2 {
                let answer = way.post(&callsign, &token).await;
                assert_eq!(answer.status, 200, "{way:?} {name}: {}", answer.text());
                assert_eq!(arrived(&mock).await, expected, "{way:?} {name}");
                count += 1;
            }
        }
    }
    assert_eq!(mock.received().len(), count);
    for received in mock.received() {
        assert_eq!(received.header("authorization"), Some(&*format!("Bearer {OPERATOR_KEY}")));
        assert!(!format!("{:?}", received.headers).contains("mallory"), "{:?}", received.headers);
    }
}

#[tokio::test]
async fn bad_tokens_are_nobody() {
    let server = issuer_server().await;
    let (mock, callsign) = started(&both_ways(&server)).await;
    for way in WAYS {
        for (name, token) in bad_tokens(way.issuer()) {
            let what = format!("{way:?} {name}");
            let answer = way.post(&callsign, &token).await;
            assert_refused(&answer, 401, "invalid_credential", &what);
            assert_eq!(answer.json()["error"]["type"], "authentication_error", "{what}");
            // The answer does not tell the reason, nor if such a key exists.
            let text = answer.text();
            for told in ["kid", "exp", "iss", "sign in with", "mallory", "user_1", DIRECT, BESIDE] {
                assert!(!text.contains(told) || told == "exp" && !text.contains("expire"), "{told:?} in {text}");
            }
            let models = way.request(http::Method::GET, &callsign.url("models"), &token, "").await;
            assert_refused(&models, 401, "invalid_credential", &format!("{what}, models"));
        }
        // A good token still passes after all of these.
        let answer = way.post(&callsign, &P256.token(&claims(way.issuer()))).await;
        assert_eq!(answer.status, 200, "{way:?}");
    }
    assert_eq!(mock.begun(), WAYS.len(), "a refused request was sent upstream");
    // Each issuer loads its keys at the start, and twice because of unknown keys.
    assert_eq!(server.asked().len(), 2 * 3);
}

#[tokio::test]
async fn an_apps_key_alone_reads_the_catalogue_and_nothing_else() {
    let server = issuer_server().await;
    let (mock, callsign) = started(&both_ways(&server)).await;
    let app = format!("Bearer {SIGNED_APP}");
    let alone = [CLAIMED, &[("authorization", &*app)]].concat();
    for path in [CHAT, "responses", "messages", "embeddings", "rerank"] {
        let answer = client::post(&callsign.url(path), &alone, BODY).await;
        assert_refused(&answer, 401, "invalid_credential", path);
        let empty = [&alone[..], &[(TOKEN_HEADER, "")]].concat();
        let answer = client::post(&callsign.url(path), &empty, BODY).await;
        assert_refused(&answer, 401, "invalid_credential", path);
    }
    assert_eq!(mock.begun(), 0);
    assert_eq!(client::get(&callsign.url("models"), &alone).await.status, 200);
    let bad = [&alone[..], &[(TOKEN_HEADER, "a.b.c")]].concat();
    assert_refused(&client::get(&callsign.url("models"), &bad).await, 401, "invalid_credential", "models");
    let good = P256.token(&claims(BESIDE));
    let good = [&alone[..], &[(TOKEN_HEADER, &good)]].concat();
    assert_eq!(client::get(&callsign.url("models"), &good).await.status, 200);
}

#[tokio::test]
async fn a_token_counts_only_where_and_with_whom_it_belongs() {
    let server = issuer_server().await;
    let (mock, callsign) = started(&both_ways(&server)).await;
    let url = callsign.url(CHAT);
    let (direct, beside) = (P256.token(&claims(DIRECT)), P256.token(&claims(BESIDE)));
    // Tokens of each issuer in the other's place.
    assert_refused(&Way::Bearer.post(&callsign, &beside).await, 401, "invalid_credential", "beside as bearer");
    assert_refused(&Way::Beside.post(&callsign, &direct).await, 401, "invalid_credential", "direct beside");
    // A token header without an app key.
    let lonely = [CLAIMED, &[(TOKEN_HEADER, &*beside)]].concat();
    assert_refused(&client::post(&url, &lonely, BODY).await, 401, "missing_credential", "no key");
    // The same token twice, or two tokens.
    let (app, bearer) = (format!("Bearer {SIGNED_APP}"), format!("Bearer {direct}"));
    let twice = [CLAIMED, &[("authorization", &*app), (TOKEN_HEADER, &beside), (TOKEN_HEADER, &beside)]].concat();
    assert_refused(&client::post(&url, &twice, BODY).await, 400, "ambiguous_identity", "two tokens");
    let twice = [CLAIMED, &[("authorization", &*bearer), ("authorization", &bearer)]].concat();
    assert_refused(&client::post(&url, &twice, BODY).await, 400, "ambiguous_credential", "two bearers");
    let other = P256.token(&changed(claims(DIRECT), "sub", json!("user_2")));
    let two = [CLAIMED, &[("authorization", &*bearer), ("x-api-key", &other)]].concat();
    assert_refused(&client::post(&url, &two, BODY).await, 400, "ambiguous_credential", "two tokens");
    let with_key = [CLAIMED, &[("authorization", &*bearer), ("x-api-key", SIGNED_APP)]].concat();
    assert_refused(&client::post(&url, &with_key, BODY).await, 400, "ambiguous_credential", "a token and a key");
    assert_eq!(mock.begun(), 0);
    // Keys without this issuer ignore the token header.
    let personal = [CLAIMED, &[ALICE[0], (TOKEN_HEADER, &beside)]].concat();
    assert_eq!(client::post(&url, &personal, BODY).await.status, 200);
    assert_eq!(arrived(&mock).await["user"], "alice");
    let plain_app = "Bearer sk-cs-a-key-of-one-app-0123456789";
    let unsigned = [CLAIMED, &[("authorization", plain_app), (TOKEN_HEADER, &beside)]].concat();
    assert_eq!(client::post(&url, &unsigned, BODY).await.status, 200);
    assert_eq!(arrived(&mock).await["user"], "mallory");
    // Some proxies add the scheme. The same token in two headers is one token.
    let with_scheme = format!("Bearer {beside}");
    let scheme = [CLAIMED, &[("authorization", &*app), (TOKEN_HEADER, &with_scheme)]].concat();
    assert_eq!(client::post(&url, &scheme, BODY).await.status, 200);
    assert_eq!(arrived(&mock).await["user"], "user_1");
    let same = [CLAIMED, &[("authorization", &*bearer), ("x-api-key", &direct)]].concat();
    assert_eq!(client::post(&url, &same, BODY).await.status, 200);
    assert_eq!(arrived(&mock).await["user"], "user_1");
    // Cached tokens are still bound to their issuer.
    assert_refused(&Way::Bearer.post(&callsign, &beside).await, 401, "invalid_credential", "beside as bearer");
    assert_refused(&Way::Beside.post(&callsign, &direct).await, 401, "invalid_credential", "direct beside");
}

#[tokio::test]
async fn a_caller_may_bring_the_headers_that_the_issuer_allows() {
    let server = issuer_server().await;
    let toml = format!(
        "[[issuers]]\nname = \"clerk\"\npreset = \"clerk\"\nissuer = \"{DIRECT}\"\njwks_url = \"{}\"\n\
         headers = {{ chat = \"X-Thread\" }}\n",
        server.url(JWKS)
    );
    let (mock, callsign) = started(&toml).await;
    let bearer = format!("Bearer {}", RSA.token(&claims(DIRECT)));
    let headers = [CLAIMED, &[("authorization", &*bearer), ("x-thread", "thread-1")]].concat();
    assert_eq!(client::post(&callsign.url(CHAT), &headers, BODY).await.status, 200);
    let metadata = json!({
        "user_id": "user_1", "session_id": "sess_1", "chat_id": "thread-1", "message_id": "message-1",
    });
    assert_eq!(arrived(&mock).await["metadata"], metadata);
    let twice = [&headers[..], &[("x-thread", "thread-2")]].concat();
    let answer = client::post(&callsign.url(CHAT), &twice, BODY).await;
    assert_refused(&answer, 400, "ambiguous_identity", "two chats");
}

#[tokio::test]
async fn open_webui() {
    const JWT_SECRET: &str = "the secret of its forwarded tokens";
    const SESSION_SECRET: &str = "the secret of its own sessions";
    let toml = format!(
        "[[issuers]]\nname = \"jwt\"\npreset = \"openwebui-jwt\"\nsecret = \"{JWT_SECRET}\"\n\
         [[issuers]]\nname = \"session\"\npreset = \"openwebui-session\"\nsecret = \"{SESSION_SECRET}\"\n\
         [[keys]]\nname = \"owui\"\nsha256 = \"{}\"\npreset = \"openwebui-jwt\"\n",
        sha256(SIGNED_APP)
    );
    let (mock, callsign) = started(&toml).await;
    let url = callsign.url(CHAT);
    let app = format!("Bearer {SIGNED_APP}");
    let own = [("x-openwebui-chat-id", "owui-chat"), ("x-openwebui-message-id", "owui-message")];
    let forwarded = |token: &str| {
        let pairs = [CLAIMED, &own, &[("authorization", &*app), ("x-openwebui-user-jwt", token)]].concat();
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let post = async |pairs: Vec<(String, String)>| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client::post(&url, &pairs, BODY).await
    };
    // As Open WebUI writes its tokens: no kid, no audience.
    let claims = json!({
        "iss": "open-webui", "sub": "u-1", "email": "a@example", "name": "A", "role": "user",
        "iat": now(), "exp": now() + 300,
    });
    let signer = Signer::secret(JWT_SECRET.as_bytes());
    assert_eq!(post(forwarded(&signer.token(&claims))).await.status, 200);
    let body = arrived(&mock).await;
    assert_eq!(body["metadata"], json!({"user_id": "u-1", "chat_id": "owui-chat", "message_id": "owui-message"}));
    let session_signer = Signer::secret(SESSION_SECRET.as_bytes());
    for bad in [
        session_signer.token(&claims),
        Signer::secret(b"").token(&claims),
        signer.token(&changed(claims.clone(), "iss", json!("other"))),
        signer.token(&changed(claims.clone(), "sub", Value::Null)),
        String::new(),
    ] {
        assert_refused(&post(forwarded(&bad)).await, 401, "invalid_credential", &bad);
    }
    // A user's own session token as the credential.
    let claims = json!({"id": "u-2", "jti": "j-2", "typ": "session", "iat": now(), "exp": now() + 300});
    let bearer = |token: &str| {
        let bearer = format!("Bearer {token}");
        let pairs = [CLAIMED, &own, &[("authorization", &*bearer)]].concat();
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(post(bearer(&session_signer.token(&claims))).await.status, 200);
    let body = arrived(&mock).await;
    assert_eq!((&body["user"], &body["session_id"]), (&json!("u-2"), &json!("j-2")));
    for bad in [changed(claims.clone(), "typ", json!("access")), changed(claims.clone(), "id", Value::Null)] {
        assert_refused(&post(bearer(&session_signer.token(&bad))).await, 401, "invalid_credential", "session");
    }
    let wrong = signer.token(&claims);
    assert_refused(&post(bearer(&wrong)).await, 401, "invalid_credential", "signed with the other secret");
    assert_eq!(mock.begun(), 2);
}
