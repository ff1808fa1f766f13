//! Attribution: one user id in several tenants, and many users on one app's key.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::support::client::Persistent;

/// Names of tenants; the empty one stands for the operator's own callers.
const TENANTS: [&str; 3] = ["acme", "umbrella", ""];

/// Returns the `iss` of a tenant's tokens that arrive this way.
fn tenant_issuer(way: &str, number: usize) -> String {
    format!("https://{way}.tenant-{number}.example")
}

/// Returns the key of a tenant's app with this preset.
fn tenant_app(preset: &str, number: usize) -> String {
    format!("sk-cs-the-{preset}-app-key-of-tenant-{number}")
}

fn payer(tenant: &str) -> String {
    if tenant.is_empty() { OPERATOR_KEY.to_owned() } else { format!("sk-or-v1-the-own-key-of-{tenant}") }
}

/// Returns the configuration of three credentials per tenant: tokens as credentials, tokens beside an app's key, and an
/// app that names its users in headers.
fn tenants(server: &KeyServer, own_secrets: bool) -> String {
    let mut toml = Vec::new();
    for (number, tenant) in TENANTS.into_iter().enumerate() {
        let mut belongs = String::new();
        if !tenant.is_empty() {
            belongs = format!("tenant = \"{tenant}\"\n");
            let secret =
                if own_secrets { format!("id_secret = \"an id secret of {tenant} alone\"") } else { String::new() };
            let key = payer(tenant);
            toml.push(format!("[[tenants]]\nname = \"{tenant}\"\nopenrouter_api_key = \"{key}\"\n{secret}\n"));
        }
        let jwks = server.url(JWKS);
        for (way, header) in [("direct", "authorization"), ("beside", TOKEN_HEADER)] {
            let issuer = tenant_issuer(way, number);
            toml.push(format!(
                "[[issuers]]\nname = \"{way}-{number}\"\npreset = \"clerk\"\nissuer = \"{issuer}\"\n\
                 jwks_url = \"{jwks}\"\nheader = \"{header}\"\n{belongs}"
            ));
        }
        for (preset, more) in [("clerk", format!("issuer = \"beside-{number}\"\n")), ("generic", belongs)] {
            let app = sha256(&tenant_app(preset, number));
            toml.push(format!(
                "[[keys]]\nname = \"{preset}-{number}\"\nsha256 = \"{app}\"\npreset = \"{preset}\"\n{more}"
            ));
        }
    }
    toml.concat()
}

/// Collects every identifier in a body.
fn identifiers(body: &Value) -> BTreeSet<String> {
    let top = ["user", "session_id", "prompt_cache_key"].map(|name| (name, &body[name]));
    let inner = ["session_id", "chat_id", "message_id"].map(|name| (name, &body["metadata"][name]));
    let inner = inner.into_iter().map(|(name, value)| (format!("metadata.{name}"), value));
    let all = top.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(inner);
    all.filter(|(_, value)| !value.is_null()).map(|(name, value)| format!("{name}={value}")).collect()
}

#[tokio::test]
async fn two_tenants_with_the_same_user_share_nothing() {
    let server = issuer_server().await;
    for (shape, own_secrets) in [
        ("{tenant}/{*}", false),
        ("x_{sha256 tenant *}", false),
        ("{hmac *}", false),
        ("{hmac:16 *}", true),
        ("{seal *}", false),
        ("{seal *}", true),
    ] {
        let format = |field: &str| shape.replace('*', field);
        let mock = MockServer::start().await.unwrap();
        let callsign = Setup::to(&mock.url())
            .set(&VALVES)
            .set(&[
                ("CALLSIGN_ID_SECRET", "an id secret of the operator"),
                ("SEND_CACHE_SESSION_ID", "1"),
                ("USER_ID_FORMAT", &format("user")),
                ("SESSION_ID_FORMAT", &format("session")),
                ("CHAT_ID_FORMAT", &format("chat")),
                ("MESSAGE_ID_FORMAT", &format("message")),
                ("CACHE_SESSION_ID_FORMAT", &format("chat")),
            ])
            .toml(&tenants(&server, own_secrets))
            .start();
        let mut seen = BTreeSet::new();
        for (number, tenant) in TENANTS.into_iter().enumerate() {
            // The same user, session and chat as in the app's headers.
            let token = |way| {
                let issuer = tenant_issuer(way, number);
                RSA.token(&json!({"iss": issuer, "sub": "mallory", "sid": "mallory-session", "exp": now() + 60}))
            };
            let mut of_tenant = Vec::new();
            for (credential, forwarded) in [
                (tenant_app("generic", number), None),
                (token("direct"), None),
                (tenant_app("clerk", number), Some(token("beside"))),
            ] {
                let bearer = format!("Bearer {credential}");
                let mut headers = [CLAIMED, &[("authorization", &*bearer)]].concat();
                headers.extend(forwarded.as_deref().map(|token| (TOKEN_HEADER, token)));
                let body = r#"{"model":"m","prompt_cache_key":"same"}"#;
                let answer = client::post(&callsign.url(CHAT), &headers, body).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                let received = within("the record", mock.next_received()).await;
                assert_eq!(received.header("authorization"), Some(&*format!("Bearer {}", payer(tenant))));
                of_tenant.push(identifiers(&received.json().unwrap()));
            }
            let written = of_tenant.swap_remove(0);
            assert!(of_tenant.iter().all(|other| *other == written), "{shape} {tenant}: {written:?}, {of_tenant:?}");
            // Without a tenant, formats that contain it yield nothing. The bound cache key is written all the same.
            let expected = if tenant.is_empty() && shape.contains("tenant") { 1 } else { 6 };
            assert_eq!(written.len(), expected, "{shape} {tenant}: {written:?}");
            for identifier in written {
                assert!(seen.insert(identifier.clone()), "{shape}: {identifier} of {tenant} names somebody else too");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_users_of_one_app_are_told_apart_in_ten_thousand_requests() {
    const USERS: usize = 50;
    const CONNECTIONS: usize = 20;
    const EACH: usize = 500;
    let server = issuer_server().await;
    let (mock, callsign) = started(&both_ways(&server)).await;
    let tokens: Arc<[String]> = (0..USERS)
        .map(|user| {
            let claims = changed(claims(BESIDE), "sub", json!(format!("user-{user}")));
            P256.token(&changed(claims, "sid", json!(format!("session-{user}"))))
        })
        .collect();
    let url = callsign.url(CHAT);
    let mut connections = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (url, tokens) = (url.clone(), tokens.clone());
        connections.spawn(async move {
            let app = format!("Bearer {SIGNED_APP}");
            // Consecutive requests on one connection are from different users.
            let mut client = Persistent::connect(&url).await;
            for turn in 0..EACH {
                let number = connection * EACH + turn;
                let user = (number * 7 + connection) % USERS;
                let chat = format!("chat-{user}");
                let own = [
                    ("content-type", "application/json"),
                    ("authorization", &*app),
                    (TOKEN_HEADER, &tokens[user]),
                    ("x-user-id", "mallory"),
                    ("x-chat-id", &chat),
                ];
                let body = json!({"prompt": user, "number": number}).to_string();
                let answer = client.post(&url, &own, body).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        });
    }
    while let Some(done) = connections.join_next().await {
        done.unwrap();
    }
    let (mut numbers, mut crossed) = (BTreeSet::new(), 0);
    for received in mock.received() {
        let body = received.json().unwrap();
        let [user, session, chat] = ["user", "session", "chat"].map(|kind| format!("{kind}-{}", body["prompt"]));
        let expected = json!({
            "prompt": body["prompt"], "number": body["number"], "user": user, "session_id": session,
            "metadata": {"user_id": user, "session_id": session, "chat_id": chat},
        });
        crossed += usize::from(body != expected);
        numbers.insert(body["number"].as_u64());
    }
    println!("{} requests of {USERS} users on one app key, {crossed} crossed", numbers.len());
    assert_eq!((numbers.len(), crossed), (CONNECTIONS * EACH, 0));
}
