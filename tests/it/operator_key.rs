//! OpenRouter's refusal of the operator's key is the operator's problem, and the operator learns of it
//! (docs/SPEC.md#operator-key-refused).

use mock_openrouter::MockServer;

use crate::support::client::{self, Headers};
use crate::support::program::Server;
use crate::support::proxy::{ALICE, Callsign, OPERATOR_KEY, Setup, callsign};

fn body(model: &str) -> String {
    format!(r#"{{"model":"mock/{model}","messages":[]}}"#)
}

async fn ask(callsign: &Callsign, path: &str, headers: Headers<'_>, model: &str) -> u16 {
    client::post(&callsign.url(path), headers, body(model)).await.status.as_u16()
}

async fn counted(callsign: &Callsign, status: u16) -> u64 {
    callsign.metric(&format!("callsign_operator_key_refused_total{{status=\"{status}\"}}")).await
}

#[tokio::test]
async fn a_refusal_degrades_until_the_next_success() {
    let (_mock, callsign) = callsign(&[]).await;
    for path in ["chat/completions", "messages", "responses"] {
        for status in [401, 402, 403] {
            let before = counted(&callsign, status).await;
            assert_eq!(ask(&callsign, path, ALICE, &format!("error-{status}")).await, status);
            let degraded = format!("ready\ndegraded: OpenRouter refused the operator's key ({status})\n");
            assert_eq!(callsign.ready().await, (200, degraded.clone()), "{path}");
            assert_eq!(counted(&callsign, status).await, before + 1);
            // The catalogue answers without a valid key too, and another error says nothing about the key.
            assert_eq!(client::get(&callsign.url("models"), ALICE).await.status, 200);
            assert_eq!(ask(&callsign, path, ALICE, "error-502").await, 502);
            assert_eq!(callsign.ready().await, (200, degraded), "{path}");
            assert_eq!(ask(&callsign, path, ALICE, "echo").await, 200);
            assert_eq!(callsign.ready().await, (200, "ready\n".to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_403_that_is_not_about_the_account_is_not_reported() {
    let directory = tempfile::tempdir().unwrap();
    let with_ledger = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap())];
    for variables in [&[][..], &with_ledger, &[("CALLSIGN_REDACT_ACCOUNT", "true")]] {
        let (_mock, callsign) = callsign(variables).await;
        for model in ["moderated", "html-403"] {
            assert_eq!(ask(&callsign, "chat/completions", ALICE, model).await, 403);
            assert_eq!(callsign.ready().await, (200, "ready\n".to_owned()), "{model}");
        }
        // callsign's own 403 and 401.
        assert_eq!(client::post(&callsign.url("chat/completions"), &[], body("echo")).await.status, 401);
        assert_eq!(ask(&callsign, "chat/completions", ALICE, "error-403").await, 403);
        assert_eq!((counted(&callsign, 403).await, counted(&callsign, 401).await), (1, 0));
    }
}

#[tokio::test]
async fn a_compressed_403_says_nothing() {
    let (_mock, callsign) = callsign(&[]).await;
    let headers = [ALICE, &[("accept-encoding", "gzip")]].concat();
    for model in ["moderated+compressed", "error-403+compressed"] {
        let answer = client::post(&callsign.url("chat/completions"), &headers, body(model)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (403, "gzip"), "{model}");
    }
    assert_eq!(counted(&callsign, 403).await, 0);
}

#[tokio::test]
async fn a_callers_own_key_is_not_the_operators_matter() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_PASSTHROUGH", "true")]).start();
    let own = [("authorization", "Bearer sk-or-v1-a-callers-own-key-0123"), ("content-type", "application/json")];
    for status in [401, 402, 403] {
        assert_eq!(ask(&callsign, "chat/completions", &own, &format!("error-{status}")).await, status);
        assert_eq!(counted(&callsign, status).await, 0);
    }
    assert_eq!(callsign.ready().await, (200, "ready\n".to_owned()));
    // A caller's success does not clear the operator's refusal.
    assert_eq!(ask(&callsign, "chat/completions", ALICE, "error-402").await, 402);
    assert_eq!(ask(&callsign, "chat/completions", &own, "echo").await, 200);
    assert!(callsign.ready().await.1.contains("the operator's key (402)"));
}

#[tokio::test]
async fn a_tenants_key_is_told_apart_and_its_name_is_in_the_log_alone() {
    let mock = MockServer::start().await.unwrap();
    let url = mock.url();
    let digest = |key: &str| callsign_core::secret::KeyDigest::of(key.as_bytes()).to_hex();
    let file = crate::support::program::file(&format!(
        "[[tenants]]\nname = \"acme\"\nopenrouter_api_key = \"sk-or-v1-of-acme\"\n\
         [[keys]]\nname = \"a\"\nsha256 = \"{}\"\nuser = \"u\"\ntenant = \"acme\"\n\
         [[keys]]\nname = \"o\"\nsha256 = \"{}\"\nuser = \"u\"\n",
        digest("sk-cs-a-key-of-acme-0123456789"),
        digest("sk-cs-a-key-of-no-tenant-01234"),
    ));
    let variables =
        [("OPENROUTER_API_KEY", OPERATOR_KEY), ("CALLSIGN_UPSTREAM_URL", url.as_str()), ("CALLSIGN_LOG", "info")];
    let server = Server::start(&format!("serve --config {}", file.path().display()), &variables).await;
    let ask = async |key: &str, model: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        client::post(&format!("http://{}/v1/chat/completions", server.data), &headers, body(model)).await
    };
    let ready = async || client::get(&format!("http://{}/readyz", server.admin.unwrap()), &[]).await.text();
    for _ in 0..3 {
        ask("sk-cs-a-key-of-acme-0123456789", "error-402").await;
        ask("sk-cs-a-key-of-no-tenant-01234", "error-401").await;
    }
    let (operator, tenant) = (
        "degraded: OpenRouter refused the operator's key (401)\n",
        "degraded: OpenRouter refused a tenant's key (402)\n",
    );
    assert_eq!(ready().await, format!("ready\n{operator}{tenant}"));
    ask("sk-cs-a-key-of-no-tenant-01234", "echo").await;
    assert_eq!(ready().await, format!("ready\n{tenant}"));
    server.terminate();
    let (_, said) = server.ended().await;
    let errors: Vec<_> = said.lines().filter(|line| line.contains("ERROR")).collect();
    let [first, second] = errors.as_slice() else { panic!("one line for each key: {said}") };
    assert!(first.contains("OpenRouter refused a tenant's key (402): the account has no credit"), "{first}");
    assert!(first.contains("tenant=acme"), "{first}");
    assert!(second.contains("OpenRouter refused the operator's key (401): check OPENROUTER_API_KEY"), "{second}");
}
