//! Unusual methods and targets: HEAD, OPTIONS, CONNECT, TRACE, upgrades, absolute targets, pipelines.

use mock_openrouter::MockServer;

use super::{answers, ask, ask_once};
use crate::support::peer::{Peer, raw};
use crate::support::proxy::{ALICE_KEY, APP_KEY, Setup, VALVES, callsign};
use crate::support::within;

fn request(line: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\n{rest}\r\n")
}

#[tokio::test]
async fn methods_by_table() {
    let (mock, callsign) = callsign(&[]).await;
    for (line, status, code) in [
        ("HEAD /v1/models", 200, ""),
        ("HEAD /v1/chat/completions", 405, "method_not_allowed"),
        ("HEAD /v1/keys", 404, "not_exposed"),
        ("OPTIONS /v1/chat/completions", 405, "method_not_allowed"),
        ("OPTIONS /v1/models", 405, "method_not_allowed"),
        ("OPTIONS *", 404, "not_exposed"),
        ("OPTIONS /v1/keys", 404, "not_exposed"),
        ("CONNECT openrouter.ai:443", 404, "not_exposed"),
        ("CONNECT 127.0.0.1:22", 404, "not_exposed"),
        ("TRACE /v1/chat/completions", 405, "method_not_allowed"),
        ("TRACE /v1/models", 405, "method_not_allowed"),
        ("TRACE /", 404, "not_exposed"),
        ("PROPFIND /v1/models", 405, "method_not_allowed"),
        ("get /v1/models", 405, "method_not_allowed"),
        ("PRI /v1/models", 405, "method_not_allowed"),
        ("POST /v1/models", 405, "method_not_allowed"),
        ("PUT /v1/chat/completions", 405, "method_not_allowed"),
        // Absolute targets (RFC 9112, section 3.2.2): only the path counts.
        ("GET http://elsewhere.invalid/v1/models/a/b/endpoints", 200, ""),
        ("GET https://elsewhere.invalid:1/api/v1/models/a/b/endpoints", 200, ""),
        ("GET http://elsewhere.invalid/v1/keys", 404, "not_exposed"),
        ("GET http://elsewhere.invalid/v1/../keys", 404, "not_exposed"),
        ("GET http://elsewhere.invalid", 404, "not_exposed"),
        ("GET http://user:password@elsewhere.invalid/v1/models/a/b/endpoints", 200, ""),
        ("GET ftp://elsewhere.invalid/v1/models/a/b/endpoints", 200, ""),
        ("GET //elsewhere.invalid/v1/models", 404, "not_exposed"),
    ] {
        let before = mock.begun();
        let method = line.split(' ').next().unwrap();
        let said = raw(callsign.address(), request(line, "connection: close\r\nx-echo: mallory\r\n").as_bytes()).await;
        let answers = answers(&said, &[method]);
        let told: Vec<_> = answers.iter().map(|answer| (answer.status, answer.code())).collect();
        assert_eq!(told, [(status, code)], "{line}");
        assert_eq!(mock.begun() - before, usize::from(status == 200), "{line}");
        assert!(!String::from_utf8_lossy(&said).contains("mallory"), "{line}: an echo");
        if status == 405 {
            let allow = if line.contains("models") { "get, head" } else { "post" };
            assert_eq!(answers[0].header("allow"), allow, "{line}");
        }
    }
    for received in mock.received() {
        assert!(["/api/v1/models", "/api/v1/models/a/b/endpoints"].contains(&received.path.as_str()));
        assert_eq!(received.query, None);
        assert_eq!(received.headers["host"], mock.address().to_string());
    }
}

#[tokio::test]
async fn a_refused_connect_or_upgrade_leaves_no_tunnel() {
    let (mock, callsign) = callsign(&[]).await;
    let behind = request("GET /v1/models", "connection: close\r\n");
    for first in [
        request("CONNECT openrouter.ai:443", ""),
        request("GET /v1/responses", "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n"),
        request("OPTIONS *", ""),
        request("TRACE /v1/models", ""),
    ] {
        let answers = ask(callsign.address(), format!("{first}{behind}").as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // Bytes after the request are read as a request, or not at all.
        assert!(matches!(statuses[..], [404 | 405 | 426] | [404 | 405 | 426, 200]), "{first}: {statuses:?}");
    }
    assert!(mock.received().iter().all(|received| received.path == "/api/v1/models"));
}

#[tokio::test]
async fn upgrades_are_426_for_a_websocket_of_responses_and_else_ignored() {
    let (mock, callsign) = callsign(&[]).await;
    let upgrade = |to: &str| {
        format!(
            "connection: upgrade, close, http2-settings\r\nupgrade: {to}\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: 2\r\n"
        )
    };
    for (line, to, status, code) in [
        ("GET /v1/responses", "websocket", 426, "websocket_unsupported"),
        ("GET /api/v1/responses", "WebSocket", 426, "websocket_unsupported"),
        ("GET /v1/responses", "h2c", 405, "method_not_allowed"),
        ("GET /v1/chat/completions", "websocket", 405, "method_not_allowed"),
        ("GET /v1/keys", "websocket", 404, "not_exposed"),
        ("GET /v1/models", "websocket", 200, ""),
        ("GET /v1/models", "h2c", 200, ""),
        ("POST /v1/responses", "websocket", 200, ""),
        ("POST /v1/chat/completions", "h2c", 200, ""),
        ("POST /v1/messages", "TLS/1.0", 200, ""),
    ] {
        let answer = ask_once(callsign.address(), format!("{}{{}}", request(line, &upgrade(to))).as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{line} {to}");
    }
    for received in mock.received() {
        assert!(!received.headers.contains_key("upgrade") && !received.headers.contains_key("http2-settings"));
    }
}

/// Each model waits for the one before, so that answers in the wrong order would show.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order_each_for_its_own_caller() {
    let mock = MockServer::start().await.unwrap();
    for hold in ["0", "262144"] {
        let callsign = Setup::to(&mock.url()).set(&VALVES).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).start();
        let before = mock.received().len();
        let mut all = String::new();
        let mut expected = Vec::new();
        for number in 0..30 {
            let last = if number == 29 { "connection: close\r\n" } else { "" };
            let body = format!(r#"{{"model":"m","stream":{},"user":"mallory"}}"#, number % 2 == 0);
            let (key, user) = match number % 3 {
                0 => (ALICE_KEY, "x-user-id: mallory\r\n".to_owned()),
                1 => (APP_KEY, format!("x-user-id: u-{number}\r\n")),
                _ => ("sk-cs-nobodys-key-0123456789", "x-user-id: mallory\r\n".to_owned()),
            };
            expected.push(match number % 3 {
                0 => "alice".to_owned(),
                1 => format!("u-{number}"),
                _ => String::new(),
            });
            let request = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n{user}{last}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            all.push_str(&request);
        }
        let answers = ask(callsign.address(), all.as_bytes()).await;
        assert_eq!(answers.len(), 30);
        for (answer, user) in answers.iter().zip(&expected) {
            assert_eq!(answer.status, if user.is_empty() { 401 } else { 200 });
            assert!(!answer.body.contains("mallory"));
        }
        let received = mock.received();
        let served: Vec<_> = expected.into_iter().filter(|user| !user.is_empty()).collect();
        let users: Vec<_> =
            received[before..].iter().map(|one| one.json().unwrap()["user"].as_str().unwrap().to_owned()).collect();
        assert_eq!(users, served);
        // Each answer belongs to its request: the mock's ids differ.
        let sent = received[before..]
            .iter()
            .map(|one| String::from_utf8_lossy(&mock.sent(one.number).unwrap().body).into_owned());
        let got: Vec<_> =
            answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.body.clone()).collect();
        assert_eq!(got, sent.collect::<Vec<_>>());
        println!("pipelined (held up to {hold}): 30 requests of 3 callers, 0 crossed");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_the_next_one_follows() {
    let (_mock, callsign) = callsign(&[]).await;
    let all = [
        request("HEAD /v1/models", ""),
        request("HEAD /v1/keys", ""),
        request("HEAD /v1/messages", ""),
        request("GET /v1/models", "connection: close\r\n"),
    ];
    let said = raw(callsign.address(), all.concat().as_bytes()).await;
    let answers = answers(&said, &["HEAD", "HEAD", "HEAD", "GET"]);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 404, 405, 200]);
    assert!(answers[3].body.starts_with('{'));
}

/// The body of a GET is ignored, not forwarded, and not read as a request.
#[tokio::test]
async fn a_body_where_none_is_expected_is_no_request() {
    let (mock, callsign) = callsign(&[]).await;
    let hidden = request("POST /v1/chat/completions", "content-length: 2\r\n") + "{}";
    for rest in [
        format!("content-length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
    ] {
        for line in ["GET /v1/models", "HEAD /v1/models", "DELETE /v1/models", "GET /v1/keys"] {
            let first = request(line, "");
            let head = first.strip_suffix("\r\n").unwrap();
            let last = request("GET /v1/activity", "connection: close\r\n");
            let said = raw(callsign.address(), format!("{head}{rest}{last}").as_bytes()).await;
            let answers = answers(&said, &[line.split(' ').next().unwrap()]);
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            assert!(matches!(statuses[..], [_] | [_, 404]), "{line}: {statuses:?}");
        }
    }
    for received in mock.received() {
        assert_eq!((received.path.as_str(), received.body.len()), ("/api/v1/models", 0));
        assert!(
            !received.headers.contains_key("content-length") && !received.headers.contains_key("transfer-encoding")
        );
    }
}

#[tokio::test]
async fn expectations_other_than_100_continue_change_nothing() {
    let (mock, callsign) = callsign(&[]).await;
    for expect in ["200-ok", "100-continue, x", ""] {
        let rest = format!("expect: {expect}\r\nconnection: close\r\ncontent-length: 2\r\n");
        let answer =
            ask_once(callsign.address(), (request("POST /v1/chat/completions", &rest) + "{}").as_bytes()).await;
        assert_eq!(answer.status, 200, "{expect}");
    }
    // Pipelined before and after a refusal: the connection stays in sync or ends.
    for (key, wanted) in [(APP_KEY, 200), ("sk-cs-nobodys-key-0123456789", 401)] {
        let mut peer = Peer::connect(callsign.address()).await;
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        let behind = request("GET /v1/keys", "connection: close\r\n");
        peer.send(format!("{head}{behind}").as_bytes()).await.unwrap();
        let said = within("the close", peer.read_to_close()).await;
        let statuses: Vec<u16> = answers(&said, &[]).iter().map(|answer| answer.status).collect();
        assert!(statuses == [wanted, 404] || (wanted == 401 && statuses == [401]), "{key}: {statuses:?}");
    }
    for received in mock.received() {
        assert!(!received.headers.contains_key("expect"));
    }
}
