//! Load shedding: limits on connections and on requests in flight, in total and per caller.

use http::StatusCode;
use mock_openrouter::MockServer;

use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client::{self, Answer, Headers, Persistent, Streaming};
use crate::support::peer::Peer;
use crate::support::proxy::{ALICE, APP, Callsign, Setup, callsign};
use crate::support::within;

/// A body for which the mock streams one chunk and then waits for the test.
const HELD: &str = r#"{"model":"mock/gate","stream":true,"messages":[]}"#;
const PLAIN: &str = r#"{"model":"m","messages":[]}"#;

/// Returns the app's headers with a user.
fn of(user: &str) -> Vec<(&str, &str)> {
    [APP, &[("x-user-id", user)]].concat()
}

async fn hold(callsign: &Callsign, mock: &MockServer, headers: Headers<'_>) -> Streaming {
    mock.release(1);
    let mut stream = client::stream(&callsign.url("chat/completions"), headers, HELD).await;
    stream.until("data:").await;
    stream
}

async fn ask(callsign: &Callsign, headers: Headers<'_>) -> Answer {
    client::post(&callsign.url("chat/completions"), headers, PLAIN).await
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (status, code), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), "1");
}

/// Returns the value of a line of `/metrics`, or 0 without the line.
async fn metric(callsign: &Callsign, name: &str) -> u64 {
    let text = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Polls a metric until it has this value; no event shows when the last part of a request is dropped.
async fn until_metric(callsign: &Callsign, name: &str, wanted: u64) {
    within(name, async { while metric(callsign, name).await != wanted {} }).await;
}

#[tokio::test]
async fn a_caller_that_opens_everything_is_held_to_its_share() {
    let limits = [("CALLSIGN_MAX_IN_FLIGHT", "5"), ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "3")];
    let (mock, callsign) = callsign(&limits).await;
    let (ada, bob) = (of("ada"), of("bob"));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(hold(&callsign, &mock, &ada).await);
    }
    let begun = mock.begun();
    let refused = ask(&callsign, &ada).await;
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(refused.json()["error"]["code"], "rate_limited");
    let refused = client::post(&callsign.url("messages"), &ada, PLAIN).await;
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(
        (&refused.json()["type"], &refused.json()["error"]["type"]),
        (&"error".into(), &"rate_limit_error".into())
    );
    assert_eq!(mock.begun(), begun, "a refused request was sent upstream");

    // Other callers are served, with the same key and with another.
    for headers in [bob.as_slice(), ALICE, APP] {
        assert_eq!(ask(&callsign, headers).await.status, StatusCode::OK);
    }
    // A stream that ends frees exactly one place.
    mock.release(usize::MAX >> 4);
    assert_eq!(held.remove(0).finish().await.cut, None);
    until_metric(&callsign, "callsign_in_flight", 0).await;
    assert_eq!(ask(&callsign, &ada).await.status, StatusCode::OK);
    assert_eq!(metric(&callsign, r#"callsign_shed_total{reason="caller"}"#).await, 2);
    assert_eq!(metric(&callsign, r#"callsign_rejected_total{code="rate_limited"}"#).await, 2);
}

#[tokio::test]
async fn when_all_places_are_taken_everybody_hears_so_in_both_dialects() {
    let limits = [("CALLSIGN_MAX_IN_FLIGHT", "2"), ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "2")];
    let (mock, callsign) = callsign(&limits).await;
    let ada = of("ada");
    let held = [hold(&callsign, &mock, &ada).await, hold(&callsign, &mock, &ada).await];
    let begun = mock.begun();
    let refused = ask(&callsign, ALICE).await;
    assert_refused(&refused, 503, "overloaded");
    assert_eq!(refused.json()["error"]["type"], "overloaded_error");
    let refused = client::post(&callsign.url("messages"), ALICE, PLAIN).await;
    assert_refused(&refused, 503, "overloaded");
    assert_eq!(refused.json()["error"]["type"], "overloaded_error");
    assert_refused(&client::get(&callsign.url("models"), ALICE).await, 503, "overloaded");
    // The credential is checked before the load, the body after it.
    assert_eq!(ask(&callsign, &[]).await.header("x-callsign-error"), "missing_credential");
    assert_refused(&client::post(&callsign.url("embeddings"), ALICE, "not json").await, 503, "overloaded");
    assert_eq!(mock.begun(), begun, "a refused request was sent upstream");
    drop(held);
    until_metric(&callsign, "callsign_in_flight", 0).await;
    assert_eq!(ask(&callsign, ALICE).await.status, StatusCode::OK);
    assert_eq!(metric(&callsign, r#"callsign_shed_total{reason="in_flight"}"#).await, 4);
}

#[tokio::test]
async fn a_place_comes_back_however_a_request_ends() {
    let one = [("CALLSIGN_MAX_IN_FLIGHT", "1"), ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "1")];
    let (mock, callsign) = callsign(&one).await;
    let chat = callsign.url("chat/completions");
    let free = |what: &'static str| {
        let callsign = &callsign;
        async move {
            until_metric(callsign, "callsign_in_flight", 0).await;
            assert_eq!(ask(callsign, ALICE).await.status, StatusCode::OK, "after {what}");
        }
    };
    let mut connection = Persistent::connect(&chat).await;
    for _ in 0..20 {
        // Without waiting: the place is free when the client has the end of the answer.
        assert_eq!(connection.post(&chat, ALICE, PLAIN).await.status, StatusCode::OK);
    }
    free("complete answers").await;

    drop(hold(&callsign, &mock, ALICE).await);
    free("a client that left mid-stream").await;

    let (upload, answer) = client::upload(&chat, ALICE);
    let answer = tokio::spawn(answer);
    upload.send(r#"{"model":"m","#).await.unwrap();
    until_metric(&callsign, "callsign_in_flight", 1).await;
    answer.abort();
    assert!(answer.await.is_err_and(|error| error.is_cancelled()));
    free("a client that left mid-upload").await;

    let cut = client::post(&chat, ALICE, r#"{"model":"mock/cut-after-1","stream":true,"messages":[]}"#).await;
    assert!(cut.cut.is_some());
    free("an upstream that cut its answer").await;

    for (body, status) in [("not json", 400), (r#"{"model":"mock/error-500"}"#, 500)] {
        assert_eq!(client::post(&chat, ALICE, body).await.status, status);
        free("an error").await;
    }
    let unsupported = [ALICE, &[("content-encoding", "deflate")]].concat();
    assert_eq!(client::post(&chat, &unsupported, PLAIN).await.status, 415);
    free("a refusal").await;
}

#[tokio::test]
async fn a_place_comes_back_when_the_upstream_fails() {
    let one = [("CALLSIGN_MAX_IN_FLIGHT", "1"), ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "1")];
    for (when, bytes) in [
        (When::Connected, Vec::new()),
        (When::Head, b"garbage\r\n\r\n".to_vec()),
        (When::Head, chaos::chunks(&["data: 1\n\n"])),
    ] {
        let upstream = Chaos::start(when, bytes, Then::Reset).await;
        let callsign = Setup::to(&upstream.url()).set(&one).start();
        for _ in 0..3 {
            let answer = ask(&callsign, ALICE).await;
            assert!(answer.status == 502 || answer.cut.is_some(), "{answer:?}");
            until_metric(&callsign, "callsign_in_flight", 0).await;
        }
    }
    let callsign = Setup::to(&Chaos::refusing_url()).set(&one).start();
    for _ in 0..3 {
        assert_eq!(ask(&callsign, ALICE).await.status, 502);
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_closed() {
    let limits = [("CALLSIGN_MAX_CONNECTIONS", "2"), ("CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS", "2")];
    let (_mock, callsign) = callsign(&limits).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: callsign\r\ncontent-length: 2\r\n";
    let kept = format!("{head}authorization: Bearer wrong\r\n\r\n{{}}");
    let mut open = [Peer::connect(callsign.address()).await, Peer::connect(callsign.address()).await];
    for peer in &mut open {
        peer.send(kept.as_bytes()).await.unwrap();
        peer.read_until(b"invalid_credential\"}}").await;
    }
    for path in ["chat/completions", "messages"] {
        let refused = client::post(&callsign.url(path), ALICE, PLAIN).await;
        assert_refused(&refused, 503, "overloaded");
        assert_eq!(refused.header("connection"), "close");
        assert_eq!(refused.json()["error"]["type"], "overloaded_error");
    }
    // The connection closes after the refusal, whether the client sends another request or is silent.
    let mut peer = Peer::connect(callsign.address()).await;
    peer.send(format!("{kept}{kept}").as_bytes()).await.unwrap();
    let said = String::from_utf8(peer.read_to_close().await).unwrap();
    assert_eq!(said.matches("HTTP/1.1 503").count(), 1, "{said}");
    until_metric(&callsign, "callsign_connections", 2).await;
    assert_eq!(metric(&callsign, r#"callsign_shed_total{reason="address"}"#).await, 3);
    drop(open);
    until_metric(&callsign, "callsign_connections", 0).await;
    assert_eq!(ask(&callsign, ALICE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn http2_is_told_so_too() {
    let limits = [("CALLSIGN_MAX_CONNECTIONS", "2"), ("CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS", "1")];
    let (_mock, callsign) = callsign(&limits).await;
    let mut open = Peer::connect(callsign.address()).await;
    open.send(b"GET /v1/models HTTP/1.1\r\nhost: callsign\r\n\r\n").await.unwrap();
    open.read_until(b"missing_credential\"}}").await;
    let socket = tokio::net::TcpStream::connect(callsign.address()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(socket);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let body = http_body_util::Full::new(bytes::Bytes::from_static(PLAIN.as_bytes()));
    let request = http::Request::post(callsign.url("messages")).body(body).unwrap();
    let answer = within("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["x-callsign-error"], "overloaded");
    assert!(!answer.headers().contains_key("connection"));
    drop(answer);
    within("the end of the connection", connection).await.unwrap().unwrap();
}
