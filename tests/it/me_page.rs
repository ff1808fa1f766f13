//! `/callsign/me`: a caller's own usage as a page, from a key in a form, without session, cookie and script.

use mock_openrouter::MockServer;

use crate::support::client::{self, Answer};
use crate::support::proxy::{ALICE, ALICE_KEY, APP_KEY, Callsign, Setup, VALVES};

const LIMITS: &str = "[limits]\nrpm = 60\n";

async fn started(directory: &tempfile::TempDir) -> (MockServer, Callsign) {
    let mock = MockServer::start().await.unwrap();
    let data = directory.path().to_str().unwrap();
    let ledger = [("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LEDGER_MODE", "strict"), ("USER_ID_FORMAT", "acme_{user}")];
    let callsign = Setup::to(&mock.url()).set(&VALVES).set(&ledger).toml(LIMITS).start();
    (mock, callsign)
}

fn page(callsign: &Callsign) -> String {
    format!("http://{}/callsign/me", callsign.address())
}

/// Sends the form from a page of this origin.
async fn send(callsign: &Callsign, origin: &str, form: &str) -> Answer {
    let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
    client::post(&page(callsign), &headers, form.to_owned()).await
}

fn assert_is_protected(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("script"), "{policy}");
    assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("access-control-allow-origin"));
    let text = answer.text();
    assert!(!text.contains("<script") && !text.contains("style=") && !text.contains("://"), "{text}");
}

#[tokio::test]
async fn a_key_in_the_form_shows_its_callers_usage_and_is_in_no_page() {
    let directory = tempfile::tempdir().unwrap();
    let (mock, callsign) = started(&directory).await;
    let body = r#"{"model":"mock/cost-126","messages":[]}"#;
    let asked = client::post(&callsign.url("chat/completions"), ALICE, body).await;
    let id = asked.header("x-callsign-request-id").to_owned();
    let own = format!("http://{}", callsign.address());

    let form = client::get(&page(&callsign), &[("cookie", "key=whatever")]).await;
    assert_eq!(form.status, 200);
    assert_is_protected(&form);
    assert!(form.text().contains(r#"<input id="key" type="password" name="key""#), "{form:?}");

    let shown = send(&callsign, &own, &format!("key={ALICE_KEY}")).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_is_protected(&shown);
    let text = shown.text();
    for part in ["Usage of <bdi>alice</bdi>", "acme_alice", &id, "rpm", "0.000000126", "mock/cost-126"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains(ALICE_KEY), "the key is not shown");

    let app = send(&callsign, &own, &format!("key={APP_KEY}")).await;
    assert!(app.status == 200 && !app.text().contains(&id) && app.text().contains("names no user"), "{app:?}");
    assert_eq!(mock.received().len(), 1, "nothing but the chat went upstream");
}

#[tokio::test]
async fn a_wrong_key_a_foreign_form_and_other_methods_are_refused_with_the_form() {
    let directory = tempfile::tempdir().unwrap();
    let (_mock, callsign) = started(&directory).await;
    let own = format!("http://{}", callsign.address());
    let long = format!("key={}", "x".repeat(20_000));
    for (origin, form, status) in [
        (own.as_str(), "key=sk-cs-nobody-has-this-key-0123456789", 401),
        (&own, "key=%00%0a", 401),
        (&own, "key=", 400),
        (&own, "other=1", 400),
        (&own, long.as_str(), 400),
        ("https://elsewhere.example", "key=sk-cs-a-key-of-alice-0123456789", 403),
        ("null", "key=sk-cs-a-key-of-alice-0123456789", 403),
    ] {
        let answer = send(&callsign, origin, form).await;
        assert_eq!(answer.status, status, "{origin} {}", form.get(..20).unwrap_or(form));
        assert_is_protected(&answer);
        assert!(answer.text().contains("<form") && !answer.text().contains("sk-cs-"), "{answer:?}");
    }
    // A credential in a header is none here.
    let bearer = [("origin", own.as_str()), ALICE[0]];
    assert_eq!(client::post(&page(&callsign), &bearer, "").await.status, 400);
    let put = client::request(http::Method::PUT, &page(&callsign), &[], String::new()).await;
    assert_eq!((put.status.as_u16(), put.header("allow")), (405, "GET, HEAD, POST"));
    let style = client::get(&format!("{}.css", page(&callsign)), &[]).await;
    assert_eq!((style.status.as_u16(), style.header("content-type")), (200, "text/css; charset=utf-8"));
}
