//! Every response to a request has an id, which the log has too (docs/SPEC.md#request-id).

use std::collections::HashSet;

use callsign_core::request_id::RequestId;
use http::Method;
use mock_openrouter::MockServer;

use crate::support::client::{self, Answer, Headers};
use crate::support::program::Server;
use crate::support::proxy::{ALICE, OPERATOR_KEY, Setup, VALVES, callsign};

const ID: &str = "x-callsign-request-id";

/// Returns the id of a response, which has exactly one.
#[track_caller]
fn id(answer: &Answer) -> RequestId {
    let ids: Vec<_> = answer.headers.get_all(ID).iter().collect();
    let [id] = ids.as_slice() else { panic!("{ids:?} in {answer:?}") };
    id.to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_response_has_an_id_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_REDACT_ACCOUNT", "true")];
    let (_mock, callsign) = callsign(&variables).await;
    let plain = r#"{"model":"m","messages":[]}"#;
    let posts: [(&str, Headers<'_>, &str, u16); 9] = [
        ("chat/completions", ALICE, plain, 200),
        ("chat/completions", ALICE, r#"{"model":"m","stream":true,"messages":[]}"#, 200),
        ("messages", ALICE, plain, 200),
        ("chat/completions", ALICE, r#"{"model":"mock/error-502","messages":[]}"#, 502),
        ("chat/completions", ALICE, r#"{"model":"mock/html-503","messages":[]}"#, 503),
        ("chat/completions", &[], plain, 401),
        ("chat/completions", ALICE, "{", 400),
        ("messages", ALICE, "[]", 400),
        ("nothing/here", ALICE, plain, 404),
    ];
    let mut answers = Vec::new();
    for (path, headers, body, status) in posts {
        let answer = client::post(&callsign.url(path), headers, body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        answers.push(answer);
    }
    let base = callsign.url("");
    for (url, status) in [
        (callsign.url("models"), 200),
        (callsign.url("generation?id=gen-1"), 404),
        (base.replace("/v1/", "/callsign/v1/me"), 200),
        (callsign.url("chat/completions"), 405),
    ] {
        let answer = client::get(&url, ALICE).await;
        assert_eq!(answer.status, status, "{url}");
        answers.push(answer);
    }
    let ids: HashSet<_> = answers.iter().map(id).collect();
    assert_eq!(ids.len(), answers.len());
}

#[tokio::test]
async fn an_id_of_a_client_or_of_openrouter_has_no_effect() {
    let directory = tempfile::tempdir().unwrap();
    let (mock, callsign) =
        callsign(&[&VALVES[..], &[("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap())]].concat()).await;
    let chosen = RequestId::MAX.to_string();
    let headers = [ALICE, &[(ID, chosen.as_str())]].concat();
    // OpenRouter's response has `x-callsign-…` headers of its own.
    let body = r#"{"model":"mock/origin-headers","messages":[]}"#;
    let answer = client::post(&callsign.url("chat/completions"), &headers, body).await;
    assert_eq!(answer.status, 200);
    assert_ne!(id(&answer), RequestId::MAX);
    assert_eq!(answer.header("x-callsign-anything"), "");
    let received = mock.next_received().await;
    assert!(received.headers.get(ID).is_none());
    let text = format!("{:?}{}", received.headers, String::from_utf8_lossy(&received.body));
    assert!(!text.contains(&id(&answer).to_string()), "the id stays with callsign: {text}");
}

#[tokio::test]
async fn scripts_may_read_the_id_and_preflights_have_none() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_CORS_ORIGINS", "https://app.example")]).await;
    let origin = ("origin", "https://app.example");
    let answer = client::post(&callsign.url("chat/completions"), &[origin], "{}").await;
    let exposed: Vec<_> = answer.header("access-control-expose-headers").split(", ").collect();
    assert!(exposed.contains(&ID), "{exposed:?}");
    id(&answer);
    let headers = [origin, ("access-control-request-method", "POST")];
    let preflight = client::request(Method::OPTIONS, &callsign.url("chat/completions"), &headers, "").await;
    assert_eq!((preflight.status.as_u16(), preflight.header(ID)), (204, ""));
}

#[tokio::test]
async fn the_log_line_has_the_id_of_the_response() {
    let mock = MockServer::start().await.unwrap();
    let url = mock.url();
    let variables = [
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("CALLSIGN_USER_KEYS", "alice=sk-cs-a-key-of-alice-0123456789"),
    ];
    let mut server = Server::start("serve", &variables).await;
    for (headers, status) in [(ALICE, 200), (&[][..], 401)] {
        let url = format!("http://{}/v1/chat/completions", server.data);
        let answer = client::post(&url, headers, r#"{"model":"m","messages":[]}"#).await;
        assert_eq!(answer.status, status);
        let line = server.logged(&format!("request_id={} ", id(&answer))).await;
        assert!(line.contains(&format!(" status={status} ")), "{line}");
    }
}

#[tokio::test]
async fn a_refused_connection_gets_an_id_too() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_MAX_CONNECTIONS", "1")]).start();
    let mut open = client::Persistent::connect(&callsign.url("models")).await;
    // Its answer shows that it has the one permit.
    let url = callsign.url("chat/completions");
    assert_eq!(open.post(&url, ALICE, r#"{"model":"m","messages":[]}"#).await.status, 200);
    let answer = client::get(&callsign.url("models"), ALICE).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (503, "overloaded"));
    id(&answer);
    drop(open);
}
