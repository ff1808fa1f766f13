//! Connections to OpenRouter: who shares them, and when they close (`docs/SPEC.md#connection-pools`).

use callsign_core::secret::{KeyDigest, Secret};
use mock_openrouter::MockServer;

use crate::support::client;
use crate::support::proxy::{APP_KEY, Callsign, Setup};

const BODY: &str = r#"{"model":"m"}"#;

fn key(tenant: &str) -> String {
    format!("sk-cs-the-app-of-{tenant}-0123456789")
}

/// Returns a tenant that pays and the key of its app.
fn tenant(name: &str) -> String {
    let digest = KeyDigest::of(key(name).as_bytes()).to_hex();
    format!(
        "[[tenants]]\nname = \"{name}\"\nopenrouter_api_key = \"sk-or-v1-of-{name}-0123456789\"\n\
         [[keys]]\nname = \"{name}\"\nsha256 = \"{digest}\"\npreset = \"generic\"\ntenant = \"{name}\"\n"
    )
}

async fn ask(callsign: &Callsign, key: &str, times: usize) {
    let bearer = format!("Bearer {key}");
    for _ in 0..times {
        let answer = client::post(&callsign.url("chat/completions"), &[("authorization", &bearer)], BODY).await;
        assert_eq!((answer.status.as_u16(), answer.cut.as_ref()), (200, None), "{answer:?}");
    }
}

/// Returns the connections that are open and those that were opened.
async fn connections(callsign: &Callsign) -> (u64, u64) {
    let open = callsign.metric("callsign_upstream_connections").await;
    (open, callsign.metric("callsign_upstream_connections_opened_total").await)
}

#[tokio::test]
async fn each_account_that_pays_has_its_own_connections() {
    let mock = MockServer::start().await.unwrap();
    let settings = [("CALLSIGN_UPSTREAM_POOL", "inline"), ("CALLSIGN_PASSTHROUGH", "true")];
    let toml = tenant("acme") + &tenant("globex");
    let callsign = Setup::to(&mock.url()).set(&settings).toml(&toml).workers(1).start();
    for (caller, expected) in [
        (APP_KEY.to_owned(), (1, 1)),
        (key("acme"), (2, 2)),
        (key("globex"), (3, 3)),
        // The caller pays: each of the three requests has a connection of its own.
        ("sk-or-v1-a-key-of-a-caller-0123456789".to_owned(), (3, 6)),
        (APP_KEY.to_owned(), (3, 6)),
    ] {
        ask(&callsign, &caller, 3).await;
        assert_eq!(connections(&callsign).await, expected, "{caller}");
    }

    callsign.reload();
    assert_eq!(connections(&callsign).await, (3, 6), "nothing has changed");
    let another = || Some(Secret::new("sk-or-v1-another-key-0123456789"));
    callsign.reload_changed(|config| config.upstream.api_key = another());
    assert_eq!(connections(&callsign).await, (2, 6), "the operator's key has changed");
    ask(&callsign, &key("acme"), 1).await;
    ask(&callsign, &key("globex"), 1).await;
    assert_eq!(connections(&callsign).await, (2, 6));
    ask(&callsign, APP_KEY, 2).await;
    assert_eq!(connections(&callsign).await, (3, 7));
    callsign.reload_changed(|config| {
        config.upstream.api_key = another();
        config.tenants.list.clear();
    });
    assert_eq!(connections(&callsign).await, (1, 7), "the tenants are gone");
}

#[tokio::test]
async fn requests_go_to_the_url_that_is_in_force() {
    let (first, second) = (MockServer::start().await.unwrap(), MockServer::start().await.unwrap());
    for pool in ["inline", "hyper"] {
        let callsign = Setup::to(&first.url()).set(&[("CALLSIGN_UPSTREAM_POOL", pool)]).workers(1).start();
        ask(&callsign, APP_KEY, 2).await;
        let url: http::Uri = second.url().parse().unwrap();
        let before = second.received().len();
        callsign.reload_changed(|config| config.upstream.url = url.clone());
        ask(&callsign, APP_KEY, 2).await;
        let received = second.received();
        assert_eq!(received.len(), before + 2, "{pool}");
        assert_eq!(received.last().unwrap().header("host"), url.authority().map(http::uri::Authority::as_str));
    }
}
