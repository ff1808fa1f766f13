//! Sign-in to the console by the token that a proxy in front adds (docs/SPEC.md#sign-in-by-a-proxy).

use std::sync::LazyLock;

use jsonwebtoken::Algorithm::ES256;
use mock_openrouter::MockServer;
use serde_json::{Value, json};

use crate::support::client::{self, Answer, Headers};
use crate::support::key_server::KeyServer;
use crate::support::proxy::{Callsign, Setup, VALVES};
use crate::support::signer::{Signer, jwks};

const JWKS: &str = "/jwks";
const ISSUER: &str = "https://id.acme.example";
/// The audience of the console.
const CONSOLE: &str = "console-of-acme";
/// The audience of callers on the data port.
const API: &str = "api-of-acme";
const HEADER: &str = "x-id-token";

static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::generate(ES256, "k-1"));
static NEXT_KEY: LazyLock<Signer> = LazyLock::new(|| Signer::generate(ES256, "k-2"));

/// The claims of a user whose proxy signs them in.
fn claims(email: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({"iss": ISSUER, "sub": "u", "email": email, "aud": [CONSOLE], "iat": now - 10, "exp": now + 60})
}

/// Returns the claims with another value of one of them.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("dana@acme.example");
    claims[name] = value;
    claims
}

struct Live {
    callsign: Callsign,
    server: KeyServer,
    _mock: MockServer,
    _directory: tempfile::TempDir,
}

impl Live {
    /// Starts callsign with an issuer for the console, and the same issuer with another audience for callers.
    async fn start() -> Self {
        let (mock, server) = (MockServer::start().await.unwrap(), KeyServer::start().await);
        server.publish(JWKS, jwks([&*KEY]));
        let jwks = server.url(JWKS);
        let rules = format!(
            "issuer = \"{ISSUER}\"\njwks_url = \"{jwks}\"\nalgorithms = [\"ES256\"]\nclaims.user = \"email\"\n"
        );
        let toml = format!(
            "[[admin.issuers]]\nname = \"id\"\n{rules}header = \"{HEADER}\"\naudience = [\"{CONSOLE}\"]\n\
             operators = [\"dana@acme.example\"]\nviewers = [\"lee@acme.example\"]\n\
             [[issuers]]\nname = \"callers\"\n{rules}audience = [\"{API}\"]\n"
        );
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().to_str().unwrap();
        let callsign = Setup::to(&mock.url()).set(&VALVES).set(&[("CALLSIGN_DATA_DIR", data_dir)]).toml(&toml).start();
        Self { callsign, server, _mock: mock, _directory: directory }
    }

    async fn get(&self, path: &str, headers: Headers<'_>) -> Answer {
        client::get(&self.callsign.admin_url(path), headers).await
    }

    /// Requests a page with a token of these claims.
    async fn page(&self, path: &str, claims: &Value) -> Answer {
        self.get(path, &[(HEADER, &KEY.token(claims))]).await
    }

    /// Sends a form with a token of this user.
    async fn form(&self, path: &str, email: &str, form: &str, origin: Option<&str>) -> u16 {
        let token = KEY.token(&claims(email));
        let mut headers = vec![(HEADER, token.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        client::post(&self.callsign.admin_url(path), &headers, form.to_owned()).await.status.as_u16()
    }

    fn origin(&self) -> String {
        self.callsign.admin_url("").trim_end_matches('/').to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_decide_what_a_user_may_do() {
    let live = Live::start().await;
    let own = live.origin();
    let page = live.page("settings", &claims("dana@acme.example")).await;
    assert!(page.status == 200 && page.text().contains("proxy:dana@acme.example"), "{}", page.text());
    assert!(!page.text().contains("Sign out"), "the session is not callsign's to end");

    let block = "id=alice&reason=spam";
    assert_eq!(live.form("user/block", "dana@acme.example", block, Some(&own)).await, 303);
    assert!(live.page("audit", &claims("dana@acme.example")).await.text().contains("proxy:dana@acme.example"));

    let viewer = claims("lee@acme.example");
    assert_eq!(live.page("models", &viewer).await.status, 200);
    for path in ["users", "audit", "keys"] {
        assert_eq!(live.page(path, &viewer).await.status, 403, "{path}");
    }
    assert_eq!(live.form("user/unblock", "lee@acme.example", "id=alice", Some(&own)).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_is_refused_although_the_proxy_signs_in() {
    let live = Live::start().await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let status = live.form("user/block", "dana@acme.example", "id=alice", origin).await;
        assert_eq!(status, 403, "{origin:?}");
    }
    assert!(!live.page("audit", &claims("dana@acme.example")).await.text().contains("alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_sign_nobody_in() {
    let live = Live::start().await;
    let now = jiff::Timestamp::now().as_second();
    for (claims, said) in [
        (with("aud", json!(CONSOLE)), None),
        (with("email_verified", json!(true)), None),
        (with("aud", json!(API)), Some("is not valid")),
        (with("aud", json!([CONSOLE, API])), Some("is not valid")),
        (with("aud", Value::Null), Some("is not valid")),
        (with("iss", json!("https://other.example")), Some("is not valid")),
        (with("exp", json!(now - 60)), Some("is not valid")),
        (with("email", Value::Null), Some("is not valid")),
        (with("email_verified", json!(false)), Some("is not valid")),
        (with("email", json!("Dana@acme.example")), Some("neither in `operators` nor in `viewers`")),
        (with("email", json!("eve@acme.example")), Some("eve@acme.example is neither")),
    ] {
        let answer = live.page("", &claims).await;
        let expected = if said.is_some() { 403 } else { 200 };
        assert_eq!(answer.status, expected, "{claims}");
        assert!(answer.text().contains(said.unwrap_or("Overview")), "{claims}: {}", answer.text());
    }
    let token = KEY.token(&claims("dana@acme.example"));
    let forged = Signer::generate(ES256, "k-1").token(&claims("dana@acme.example"));
    for headers in [&[(HEADER, "")][..], &[(HEADER, "x")], &[(HEADER, &forged)], &[(HEADER, &token), (HEADER, &token)]]
    {
        assert_eq!(live.get("", headers).await.status, 403, "{headers:?}");
    }
    assert_eq!(live.get("", &[]).await.header("location"), "/login", "without a token there is the sign-in page");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_neither_for_the_api_nor_for_the_data_port() {
    let live = Live::start().await;
    let token = KEY.token(&claims("dana@acme.example"));
    let bearer = format!("Bearer {token}");
    for headers in [&[(HEADER, token.as_str())][..], &[("authorization", &bearer)]] {
        assert_eq!(live.get("api/v1/admin/usage", headers).await.status, 401, "{headers:?}");
    }
    let body = r#"{"model":"m","messages":[]}"#;
    let asked = |bearer: String| {
        let url = live.callsign.url("chat/completions");
        async move { client::post(&url, &[("authorization", &bearer)], body).await.status.as_u16() }
    };
    assert_eq!(asked(bearer).await, 401);
    let caller = with("aud", json!(API));
    assert_eq!(asked(format!("Bearer {}", KEY.token(&caller))).await, 200, "the same issuer with its own audience");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_again_and_a_reload_ends_a_sign_in() {
    let live = Live::start().await;
    let dana = claims("dana@acme.example");
    assert_eq!(live.page("", &dana).await.status, 200);
    live.server.publish(JWKS, jwks([&*NEXT_KEY]));
    assert_eq!(live.get("", &[(HEADER, &NEXT_KEY.token(&dana))]).await.status, 200, "a key that is new");

    live.server.fail(JWKS, 500);
    live.callsign.reload_changed(|config| config.admin.issuers[0].viewers.clear());
    assert_eq!(live.get("", &[(HEADER, &NEXT_KEY.token(&dana))]).await.status, 200, "the known keys stay in use");
    let lee = NEXT_KEY.token(&claims("lee@acme.example"));
    assert_eq!(live.get("", &[(HEADER, &lee)]).await.status, 403);
    live.callsign.reload_changed(|config| config.admin.issuers.clear());
    assert_eq!(live.get("", &[(HEADER, &NEXT_KEY.token(&dana))]).await.status, 404, "no way to sign in is left");
}
