//! Refusals by callsign (docs/SPEC.md#answers-of-callsign): the answer, its shape in both dialects, the order of
//! checks, and that the upstream receives no complete request.

use std::time::Duration;

use callsign_core::endpoint::{Dialect, INFERENCE};
use callsign_gateway::server::{Timeouts, UploadTimeouts};
use http::Method;
use mock_openrouter::MockServer;

use crate::support::chaos::Chaos;
use crate::support::client::{self, Answer, Headers};
use crate::support::peer::{Peer, raw};
use crate::support::proxy::{APP, APP_KEY, Callsign, Setup, callsign};
use crate::support::within;

/// The body size of a large agent request, in bytes.
const AGENT_TURN: usize = 9 << 20;

/// Checks status, code and body of a refusal.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, dialect: Dialect, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (status, code), "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let body = answer.json();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty() && !message.contains(APP_KEY) && !message.contains("sk-wrong"), "{body}");
    if status < 500 {
        let said = message.strip_suffix(&format!(" (docs/ERRORS.md: {code})"));
        assert!(said.is_some_and(says_what_to_do), "{message}");
    }
    let expected = match dialect {
        Dialect::OpenAi => {
            serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
        }
        Dialect::Anthropic => serde_json::json!({"type": "error", "error": {"type": kind, "message": message}}),
    };
    assert_eq!(body, expected);
}

/// Returns true if a message has a next step after what was expected.
fn says_what_to_do(message: &str) -> bool {
    const STEPS: [&str; 19] = [
        "ask",
        "check",
        "compress",
        "contact",
        "continue",
        "correct",
        "encode",
        "leave",
        "let",
        "nest",
        "remove",
        "send",
        "set",
        "sign",
        "the operator turns",
        "try",
        "use",
        "wait",
        "write",
    ];
    message.split([';', ':', ',']).skip(1).any(|part| STEPS.iter().any(|step| part.trim_start().starts_with(step)))
}

/// Checks that callsign still works.
async fn assert_alive(callsign: &Callsign) {
    let answer = client::post(&callsign.url("chat/completions"), &[APP, USER].concat(), r#"{"model":"m"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

const USER: Headers<'static> = &[("x-user-id", "u-1")];
const WRONG_KEY: (&str, &str) = ("authorization", "Bearer sk-wrong-key-of-nobody-0123456789");
const KEY: (&str, &str) = ("authorization", "Bearer sk-cs-a-key-of-one-app-0123456789");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_refusal_on_every_endpoint_in_its_dialect() {
    let cases: [(Headers<'_>, &str, u16, &str); 22] = [
        (&[JSON], "{}", 401, "missing_credential"),
        (&[("authorization", "Bearer "), ("x-api-key", "")], "{}", 401, "missing_credential"),
        (&[("authorization", "Basic dTpw")], "{}", 401, "missing_credential"),
        (&[WRONG_KEY], "{}", 401, "invalid_credential"),
        (&[("x-api-key", "sk-or-v1-not-passed-through")], "{}", 401, "invalid_credential"),
        (&[WRONG_KEY, KEY], "{}", 400, "ambiguous_credential"),
        (&[KEY, KEY], "{}", 400, "ambiguous_credential"),
        (&[KEY, ("x-api-key", "sk-wrong")], "{}", 400, "ambiguous_credential"),
        (&[("api-key", "a"), ("api-key", "b")], "{}", 400, "ambiguous_credential"),
        (&[KEY, ("x-user-id", "a"), ("X-User-Id", "a")], "{}", 400, "ambiguous_identity"),
        (&[KEY, ("x-user-id", "a"), ("x-chat-id", "b"), ("x-chat-id", "c")], "{}", 400, "ambiguous_identity"),
        (&[KEY, JSON], "{}", 403, "user_required"),
        (&[KEY, USER[0], ("content-type", "text/plain")], "{}", 415, "unsupported_media_type"),
        (&[KEY, USER[0], ("content-type", "multipart/mixed; boundary=x")], "--x--", 415, "unsupported_media_type"),
        (&[KEY, USER[0], ("content-type", "application/json;charset=utf-7")], "{}", 415, "unsupported_media_type"),
        (&[KEY, USER[0], JSON, JSON], "{}", 415, "unsupported_media_type"),
        (&[KEY, USER[0], ("content-encoding", "deflate")], "{}", 415, "unsupported_encoding"),
        (&[KEY, USER[0], ("content-encoding", "zstd")], "{}", 400, "bad_request"),
        (&[KEY, USER[0], JSON], "", 400, "invalid_json"),
        (&[KEY, USER[0], JSON], "{\"a\":1,}", 400, "invalid_json"),
        (&[KEY, USER[0], JSON], "[{\"model\":\"m\"}]", 400, "invalid_json"),
        (&[KEY, USER[0], JSON], "{\"a\":1} {", 400, "invalid_json"),
    ];
    for hold in ["0", "262144"] {
        let (mock, callsign) =
            callsign(&[("CALLSIGN_MISSING_USER", "reject"), ("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        for endpoint in &INFERENCE {
            for (headers, body, status, code) in cases {
                let answer = client::post(&callsign.url(endpoint.path), headers, body).await;
                assert_refused(&answer, endpoint.dialect, status, code);
            }
        }
        assert_eq!(mock.received().len(), 0, "the upstream received a complete request");
        if hold != "0" {
            assert_eq!(mock.begun(), 0, "a buffered request was sent upstream");
        }
        assert_alive(&callsign).await;
    }
}

#[tokio::test]
async fn paths_and_methods_that_are_not_exposed() {
    let (mock, callsign) = callsign(&[]).await;
    let hidden = [
        "keys",
        "activity",
        "files",
        "presets",
        "models/USER",
        "models/user/x",
        "models/user%2Fx",
        "generation?id=gen-1",
        "auth/keys",
        "credits/coinbase",
        "chat/completions/",
        "chat//completions",
        "chat/./completions",
        "messages/../keys",
        "chat%2Fcompletions",
        "models/%2e%2e/keys",
        "models/..%2Fkeys",
        "models/a%255c",
        "models/a%5Cb",
        "Chat/Completions",
        "",
    ];
    for path in hidden {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = client::request(method, &callsign.url(path), APP, "").await;
            assert_refused(&answer, Dialect::OpenAi, 404, "not_exposed");
        }
    }
    for path in ["", "v2/chat/completions", "api/v1", "healthz", "metrics", "readyz", "api/v1/admin/usage"] {
        let answer = client::get(&format!("http://{}/{path}", callsign.address()), APP).await;
        assert_refused(&answer, Dialect::OpenAi, 404, "not_exposed");
    }
    for endpoint in &INFERENCE {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let answer = client::request(method.clone(), &callsign.url(endpoint.path), APP, "").await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"), "{method} {}", endpoint.path);
            if method != Method::HEAD {
                assert_refused(&answer, endpoint.dialect, 405, "method_not_allowed");
            }
        }
    }
    for path in ["models", "providers", "models/openai%2Fgpt-4o", "model/openai/gpt-4o"] {
        let answer = client::post(&callsign.url(path), APP, "{}").await;
        assert_refused(&answer, Dialect::OpenAi, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD");
        let answer = client::get(&callsign.url(path), &[]).await;
        assert_refused(&answer, Dialect::OpenAi, 401, "missing_credential");
    }
    assert_eq!(mock.begun(), 0);
    assert_alive(&callsign).await;
}

#[tokio::test]
async fn a_websocket_is_told_to_use_post() {
    let (mock, callsign) = callsign(&[]).await;
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let answer = client::get(&callsign.url("responses"), &handshake).await;
    assert_refused(&answer, Dialect::OpenAi, 426, "websocket_unsupported");
    assert!(answer.text().contains("POST"));
    let elsewhere = client::get(&callsign.url("chat/completions"), &handshake).await;
    assert_refused(&elsewhere, Dialect::OpenAi, 405, "method_not_allowed");
    assert_eq!(mock.begun(), 0);
}

#[tokio::test]
async fn framing_with_two_readings_is_refused() {
    let (mock, callsign) = callsign(&[]).await;
    let good = format!("authorization: Bearer {APP_KEY}\r\nconnection: close\r\n");
    for (head, ours) in [
        ("host: a\r\nhost: a\r\ncontent-length: 2\r\n", true),
        ("content-length: 2\r\n", true),
        ("host: a\r\ntransfer-encoding: gzip, chunked\r\n", true),
        ("host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", true),
        // hyper refuses these before callsign sees them.
        ("host: a\r\ntransfer-encoding: chunked, gzip\r\n", false),
        ("host: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n", false),
        ("host: a\r\ncontent-length: +2\r\n", false),
        ("host: a\r\ncontent-length : 2\r\n", false),
        ("host: a\r\nx: a\x0bb\x01\r\n", false),
    ] {
        for path in ["chat/completions", "messages"] {
            let request = format!("POST /v1/{path} HTTP/1.1\r\n{good}{head}\r\n{{}}");
            let answer = String::from_utf8(raw(callsign.address(), request.as_bytes()).await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer:?}");
            assert_eq!(answer.contains("x-callsign-error: bad_request\r\n"), ours, "{head:?}: {answer:?}");
            let shape = if path == "messages" { r#"{"type":"error","error":{"# } else { r#"{"error":{"# };
            assert_eq!(answer.contains(shape), ours, "{head:?}: {answer:?}");
        }
    }
    assert_eq!(mock.begun(), 0);
    assert_alive(&callsign).await;
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_count_and_ends_the_connection() {
    let (mock, callsign) = callsign(&[]).await;
    let smuggled = "GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n";
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\ncontent-length: 4\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{smuggled}"
    );
    let answer = String::from_utf8(raw(callsign.address(), request.as_bytes()).await).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(mock.received().iter().all(|received| received.method == Method::POST));
}

#[tokio::test]
async fn checks_come_in_the_documented_order() {
    let (mock, callsign) = callsign(&[("CALLSIGN_MISSING_USER", "reject"), ("CALLSIGN_MAX_BODY_BYTES", "1000")]).await;
    let long = format!("{{{}", "x".repeat(1000));
    let mut asked = (Method::DELETE, "keys", vec![("host", "twice")], &*long);
    asked.2.extend([
        ("x-user-id", "a"),
        ("x-user-id", "b"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
    ]);
    let refused = |asked: (Method, &'static str, Vec<(&'static str, &'static str)>, &str)| {
        let (url, body) = (callsign.url(asked.1), asked.3.to_owned());
        async move {
            let answer = client::request(asked.0, &url, &asked.2, body).await;
            (answer.status.as_u16(), answer.header("x-callsign-error").to_owned())
        }
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused(asked.clone()).await, is(400, "bad_request"));
    asked.2.remove(0);
    assert_eq!(refused(asked.clone()).await, is(404, "not_exposed"));
    asked.1 = "responses";
    assert_eq!(refused(asked.clone()).await, is(405, "method_not_allowed"));
    asked.0 = Method::POST;
    assert_eq!(refused(asked.clone()).await, is(401, "missing_credential"));
    asked.2.push(WRONG_KEY);
    assert_eq!(refused(asked.clone()).await, is(401, "invalid_credential"));
    *asked.2.last_mut().unwrap() = KEY;
    assert_eq!(refused(asked.clone()).await, is(400, "ambiguous_identity"));
    asked.2.drain(..2);
    assert_eq!(refused(asked.clone()).await, is(403, "user_required"));
    asked.2.push(USER[0]);
    assert_eq!(refused(asked.clone()).await.0, 415);
    asked.2.drain(..2);
    assert_eq!(refused(asked.clone()).await, is(413, "body_too_large"));
    asked.3 = "{x";
    assert_eq!(refused(asked.clone()).await, is(400, "invalid_json"));
    assert_eq!(mock.begun(), 0);
    asked.3 = "{}";
    assert_eq!(refused(asked).await, is(200, ""));
}

#[tokio::test]
async fn invalid_json_is_told_where() {
    let (_mock, callsign) = callsign(&[]).await;
    for (body, offset) in [(&b"{\"a\":01}"[..], 6), (b"\xef\xbb\xbf{}", 0), (b"{\"a\":\"\xff\"}", 6), (b"{\"a\":1", 6)]
    {
        let answer = client::post(&callsign.url("chat/completions"), APP, body).await;
        assert_refused(&answer, Dialect::OpenAi, 400, "invalid_json");
        assert!(answer.text().contains(&format!("byte {offset}:")), "{}", answer.text());
    }
    let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(client::post(&callsign.url("chat/completions"), APP, deep(1024)).await.status, 200);
    let too_deep = client::post(&callsign.url("chat/completions"), APP, deep(1025)).await;
    assert_refused(&too_deep, Dialect::OpenAi, 400, "invalid_json");
}

/// Builds the head of a POST.
fn head(path: &str, key: &str, rest: &str) -> String {
    format!("POST /v1/{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n{rest}\r\n")
}

fn refusal(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let code = text.lines().find_map(|line| line.strip_prefix("x-callsign-error: ")).unwrap_or_default();
    format!("{} {code}", text.split(' ').nth(1).unwrap_or_default())
}

#[tokio::test]
async fn an_upload_with_a_wrong_key_is_taken_to_its_end_and_then_refused() {
    let (mock, callsign) = callsign(&[]).await;
    for chunked in [false, true] {
        let mut peer = Peer::connect(callsign.address()).await;
        let piece = vec![b'x'; AGENT_TURN / 9];
        let framing =
            if chunked { "transfer-encoding: chunked\r\n".into() } else { format!("content-length: {AGENT_TURN}\r\n") };
        peer.send(head("messages", "sk-wrong-key-of-nobody", &framing).as_bytes()).await.unwrap();
        for _ in 0..9 {
            if chunked {
                peer.send(format!("{:x}\r\n", piece.len()).as_bytes()).await.unwrap();
            }
            // A connection closed too early would be an error here.
            peer.send(&piece).await.unwrap();
            if chunked {
                peer.send(b"\r\n").await.unwrap();
            }
        }
        if chunked {
            peer.send(b"0\r\n\r\n").await.unwrap();
        }
        let answer = peer.read_until(b"\"message\":").await;
        assert_eq!(refusal(answer), "401 invalid_credential");
    }
    assert_eq!(mock.begun(), 0);
    assert_alive(&callsign).await;
}

#[tokio::test]
async fn who_waits_for_100_continue_is_refused_at_once() {
    let (mock, callsign) = callsign(&[("CALLSIGN_MAX_BODY_BYTES", "20000000")]).await;
    for (path, key, length, expected) in [
        ("chat/completions", "sk-wrong-key-of-nobody", AGENT_TURN, "401 invalid_credential"),
        ("keys", APP_KEY, AGENT_TURN, "404 not_exposed"),
        ("chat/completions", APP_KEY, 20_000_001, "413 body_too_large"),
    ] {
        let mut peer = Peer::connect(callsign.address()).await;
        let rest = format!("content-length: {length}\r\nexpect: 100-continue\r\n");
        peer.send(head(path, key, &rest).as_bytes()).await.unwrap();
        // No byte of the body is sent, so that only an immediate answer can arrive.
        let answer = peer.read_to_close().await;
        assert_eq!(refusal(&answer), expected, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(mock.begun(), 0);
    // A request that passes the checks gets 100 Continue.
    for length in [2, 300_000] {
        let mut peer = Peer::connect(callsign.address()).await;
        let rest = format!("content-length: {length}\r\nexpect: 100-continue\r\n");
        peer.send(head("chat/completions", APP_KEY, &rest).as_bytes()).await.unwrap();
        peer.read_until(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.send(format!("{{{}}}", " ".repeat(length - 2)).as_bytes()).await.unwrap();
        peer.read_until(b"HTTP/1.1 200 OK\r\n").await;
    }
}

#[tokio::test]
async fn an_unreachable_upstream_is_told_at_once_to_who_waits_for_100_continue() {
    let callsign = Setup::to(&Chaos::refusing_url()).start();
    let mut peer = Peer::connect(callsign.address()).await;
    let rest = format!("content-length: {AGENT_TURN}\r\nexpect: 100-continue\r\n");
    peer.send(head("chat/completions", APP_KEY, &rest).as_bytes()).await.unwrap();
    let answer = peer.read_to_close().await;
    assert_eq!(refusal(&answer), "502 upstream_unreachable", "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_long_upload_that_ends_badly_never_becomes_a_request() {
    let (mock, callsign) = callsign(&[]).await;
    let mut uploads = 0;
    for (path, dialect) in [("chat/completions", Dialect::OpenAi), ("messages", Dialect::Anthropic)] {
        for (end, announced) in [("\"}}", true), ("\"}}", false), ("\"", true), ("\"", false), ("\"}\u{1}", true)] {
            let length = (AGENT_TURN + 6 + end.len()).to_string();
            let mut headers = [APP, USER].concat();
            if announced {
                headers.push(("content-length", &length));
            }
            let (upload, answer) = client::upload(&callsign.url(path), &headers);
            let answer = tokio::spawn(answer);
            upload.send("{\"a\":\"").await.unwrap();
            for _ in 0..9 {
                upload.send(vec![b'x'; AGENT_TURN / 9]).await.unwrap();
            }
            upload.send(end).await.unwrap();
            drop(upload);
            let answer = answer.await.unwrap().unwrap().finish().await;
            assert_refused(&answer, dialect, 400, "invalid_json");
            uploads += 1;
            within("the upstream request to be cut", mock.wait_cancelled(uploads)).await;
        }
    }
    assert_eq!((mock.begun(), mock.received().len()), (uploads, 0));
    assert_alive(&callsign).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    for (hold, limit) in [("0", 1_000_000), ("262144", 1_000_000), ("1000", 1000)] {
        let limit_text = limit.to_string();
        let (mock, callsign) =
            callsign(&[("CALLSIGN_MAX_BODY_BYTES", &limit_text), ("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        for (path, dialect) in [("chat/completions", Dialect::OpenAi), ("messages", Dialect::Anthropic)] {
            for announced in [true, false] {
                for (size, fits) in [(limit, true), (limit + 1, false)] {
                    let length = size.to_string();
                    let mut headers = APP.to_vec();
                    if announced {
                        headers.push(("content-length", &length));
                    }
                    let (upload, answer) = client::upload(&callsign.url(path), &headers);
                    let answer = tokio::spawn(answer);
                    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
                    for piece in body.as_bytes().chunks(100_000) {
                        // The answer may arrive before the end of the upload.
                        let _ = upload.send(piece.to_vec()).await;
                    }
                    drop(upload);
                    let answer = answer.await.unwrap().unwrap().finish().await;
                    if fits {
                        assert_eq!(answer.status, 200, "{}", answer.text());
                    } else {
                        assert_refused(&answer, dialect, 413, "body_too_large");
                    }
                }
            }
        }
        assert_eq!(mock.received().len(), 4, "only the bodies within the limit arrive");
        assert_alive(&callsign).await;
    }
}

#[tokio::test]
async fn a_slow_upload_is_408() {
    let impatient = |upload| Timeouts { upload, ..Timeouts::default() };
    let silent = UploadTimeouts { idle: Duration::from_millis(50), ..UploadTimeouts::default() };
    // One byte a millisecond is below this rate. A shorter window would contain too few bytes to measure a rate.
    let dribbling = UploadTimeouts { window: Duration::from_secs(1), least_per_second: 1 << 20, ..silent };
    for hold in ["0", "262144"] {
        let mock = MockServer::start().await.unwrap();
        let setup = || Setup::to(&mock.url()).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]);
        let callsign = setup().timeouts(impatient(silent)).start();
        for (path, shape) in [("chat/completions", "{\"error\":{"), ("messages", "{\"type\":\"error\",")] {
            for begin in ["", "{\"model\":\"m\","] {
                let mut peer = Peer::connect(callsign.address()).await;
                peer.send(head(path, APP_KEY, "content-length: 100\r\n").as_bytes()).await.unwrap();
                peer.send(begin.as_bytes()).await.unwrap();
                let answer = peer.read_to_close().await;
                assert_eq!(refusal(&answer), "408 request_timeout", "{hold} {begin:?}");
                assert!(memchr::memmem::find(&answer, shape.as_bytes()).is_some());
            }
        }
        assert_eq!(mock.received().len(), 0);
        if hold == "0" {
            within("the requests to be cut", mock.wait_cancelled(mock.begun())).await;
        } else {
            assert_eq!(mock.begun(), 0, "a buffered slow upload reached the upstream");
        }
        assert_alive(&callsign).await;

        let callsign = setup().timeouts(impatient(dribbling)).start();
        let (upload, answer) = client::upload(&callsign.url("chat/completions"), APP);
        let answer = tokio::spawn(answer);
        upload.send("{").await.unwrap();
        while upload.send(" ").await.is_ok() {
            tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
        }
        let answer = answer.await.unwrap().unwrap().finish().await;
        assert_refused(&answer, Dialect::OpenAi, 408, "request_timeout");
    }
}
