//! Several organisations on one callsign: the paying account, the identifiers, and that users of tenants do not mix.

use std::collections::BTreeSet;

use callsign_core::secret::KeyDigest;
use mock_openrouter::MockServer;
use serde_json::json;

use crate::support::client::{self, Headers};
use crate::support::proxy::{APP, Callsign, OPERATOR_KEY, Setup, VALVES};

/// Returns the key of a tenant's app.
fn key(tenant: &str) -> String {
    format!("sk-cs-the-app-of-{tenant}-0123456789")
}

/// Returns the `[[keys]]` entry of that key.
fn entry(tenant: &str) -> String {
    let digest = KeyDigest::of(key(tenant).as_bytes()).to_hex();
    format!(
        "[[keys]]\nname = \"{tenant}\"\nsha256 = \"{digest}\"\npreset = \"generic\"\ntenant = \"{tenant}\"\n\
         metadata = {{ b = \"key\" }}\n"
    )
}

/// Sends a request of `u-1` with this key. Returns the upstream credential and the body that arrive.
async fn ask(mock: &MockServer, callsign: &Callsign, bearer: &str) -> (String, serde_json::Value) {
    let headers: Headers<'_> = &[("authorization", bearer), ("x-user-id", "u-1"), ("x-session-id", "s-1")];
    let body = r#"{"model":"m","prompt_cache_key":"mine"}"#;
    let answer = client::post(&callsign.url("chat/completions"), headers, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let received = mock.received().pop().unwrap();
    (received.header("authorization").unwrap().to_owned(), received.json().unwrap())
}

#[tokio::test]
async fn a_tenant_pays_for_itself_and_is_described_by_its_own_policy() {
    let mock = MockServer::start().await.unwrap();
    let toml = "[metadata]\na = \"operator\"\nb = \"operator\"\nz = \"operator\"\n\
                [[tenants]]\nname = \"acme\"\nopenrouter_api_key = \"sk-or-v1-acmes-own-key\"\n\
                formats = { user = \"acme_{user}\" }\nvalves = { send_session_id = false }\n\
                missing_user = \"shared:acme\"\nmetadata = { a = \"tenant\", b = \"tenant\" }\n\
                [[tenants]]\nname = \"plain\"\n"
        .to_owned()
        + &entry("acme")
        + &entry("plain");
    let callsign = Setup::to(&mock.url()).set(&VALVES).toml(&toml).start();
    let bearer = |tenant: &str| format!("Bearer {}", key(tenant));

    let (paid, body) = ask(&mock, &callsign, &bearer("acme")).await;
    assert_eq!(paid, "Bearer sk-or-v1-acmes-own-key");
    assert_eq!(body["user"], "acme_u-1");
    assert_eq!(body.get("session_id"), None);
    let pairs = json!({"user_id": "acme_u-1", "b": "key", "a": "tenant", "z": "operator"});
    assert_eq!(body["metadata"], pairs, "the key's pairs, the tenant's, the operator's");

    let (paid, body) = ask(&mock, &callsign, &bearer("plain")).await;
    assert_eq!(paid, format!("Bearer {OPERATOR_KEY}"), "the operator pays for a tenant without a key");
    assert_eq!((&body["user"], &body["session_id"]), (&json!("u-1"), &json!("s-1")));
    assert_eq!(body["metadata"]["a"], "operator");

    let nobody = [("authorization", &*bearer("acme")), ("content-type", "application/json")];
    client::post(&callsign.url("chat/completions"), &nobody, "{}").await;
    assert_eq!(mock.received().pop().unwrap().json().unwrap()["user"], "acme");
    client::post(&callsign.url("chat/completions"), APP, "{}").await;
    assert_eq!(mock.received().pop().unwrap().json().unwrap().get("user"), None, "the operator's policy is as it was");
    let _models = client::get(&callsign.url("models"), &nobody).await;
    assert_eq!(mock.received().pop().unwrap().header("authorization"), Some("Bearer sk-or-v1-acmes-own-key"));
}

#[tokio::test]
async fn one_user_id_in_several_tenants_is_several_people() {
    let names = ["a", "b", "c"];
    let tenants = names.map(|name| format!("[[tenants]]\nname = \"{name}\"\n")).concat()
        + "id_secret = \"a-secret-of-the-third-tenant\"\n";
    let toml = tenants + &names.map(entry).concat();
    for (format, tenant_is_named) in
        [("{hmac:32 user}", false), ("{tenant}_{user}", true), ("{sha256:32 tenant user}", true)]
    {
        let mock = MockServer::start().await.unwrap();
        let variables = [
            ("CALLSIGN_ID_SECRET", "the-operators-own-secret"),
            ("SEND_CACHE_SESSION_ID", "true"),
            ("CACHE_SESSION_ID_FORMAT", "{hmac user session}"),
            ("USER_ID_FORMAT", format),
        ];
        let callsign = Setup::to(&mock.url()).set(&VALVES).set(&variables).toml(&toml).start();
        let (mut users, mut sessions, mut caches) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let operators = (!tenant_is_named).then(|| APP[0].1.to_owned());
        let callers: Vec<String> = names.iter().map(|name| format!("Bearer {}", key(name))).chain(operators).collect();
        for bearer in &callers {
            let (_, body) = ask(&mock, &callsign, bearer).await;
            users.insert(body["user"].to_string());
            sessions.insert(body["session_id"].to_string());
            caches.insert(body["prompt_cache_key"].to_string());
        }
        let expected = callers.len();
        assert_eq!((users.len(), sessions.len(), caches.len()), (expected, expected, expected), "{format}");
    }
}
