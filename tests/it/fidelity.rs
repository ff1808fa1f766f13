//! Fidelity: request bodies, response bodies, headers in both directions and cuts pass unchanged, except for documented
//! changes.

use std::time::Duration;

use callsign_core::endpoint::INFERENCE;
use http::Method;
use mock_openrouter::{MockServer, Received};
use serde_json::json;

use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client::{self, Answer, Headers};
use crate::support::peer::Peer;
use crate::support::proxy::{APP, APP_KEY, OPERATOR_KEY, Setup, VALVES, callsign};
use crate::support::within;

/// Request bodies. Text between `«` and `»` must be blanked; every other byte must arrive.
const BODIES: [&str; 9] = [
    r#"{"model":"m","n":1.10,"big":12345678901234567890123,"inf":1e400,"tiny":-0.0E-999,"zero":-0}"#,
    r#"{"model":"m","lone":"\ud800 and \udfff\ud800","pair":"\ud83d\ude00","raw":"é€😀","esc":"\u00e9\/\b"}"#,
    r#"{"z":1,"a":2,"z":3,"model":"m","a":4,"":5,"\u0000":6}"#,
    r#"{"model":"m","messages":[{"user":"nested","metadata":{"user":1},"user":2}],"extra":{"session_id":"s","trace":{}}}"#,
    r#"{«"user":"mallory",»"model":"m","users":"kept","user ":1,"us\u0065rx":2«,"\u0055ser":[1,{"a":"}"}]»}"#,
    r#"{"model":"m"«,"user":{"a":[[[]]],"b":"\"\\"}»,"tool":{"name":"user","user":"kept"}«,"metadata":null»}"#,
    "\n\t {\r\n  \"model\"\t:  \"m\" «,\n  \"user\" : \"mallory\"» ,\n  \"k\" : [ 1 , 2 ]\n } \r\n",
    r#"{«"client_metadata":{"session_id":"s"},"trace":1.5e10,"__proto__":{"user":"x"}»}"#,
    "{}",
];

/// The members written on chat completions for the headers of [`USER`] when [`VALVES`] are open.
const OURS: &str = r#""user":"u-1","session_id":"s-1","metadata":{"user_id":"u-1","session_id":"s-1"}"#;
const USER: Headers<'static> = &[("x-user-id", "u-1"), ("x-session-id", "s-1")];
/// Bytes reserved for a bound cache key: a comma, `"prompt_cache_key":"`, 64 digits and a quote.
const CACHE_KEY_RESERVE: usize = 1 + 20 + 64 + 1;

/// Returns a body as the client sends it, and as it must arrive with `ours` appended.
fn sent_and_expected(marked: &str, ours: &str) -> (String, String) {
    let sent = marked.replace(['«', '»'], "");
    let mut expected = String::new();
    for (number, part) in marked.split(['«', '»']).enumerate() {
        if number % 2 == 0 {
            expected.push_str(part);
        } else {
            expected.extend(part.bytes().map(|_| ' '));
        }
    }
    let close = expected.rfind('}').unwrap();
    let kept_any = !expected[..close].trim().trim_start_matches('{').trim().is_empty();
    let comma = if kept_any && !ours.is_empty() { "," } else { "" };
    // One byte is reserved for a comma that an object without kept members does not need.
    let spare = CACHE_KEY_RESERVE + usize::from(!kept_any && !ours.is_empty());
    expected.insert_str(close, &format!("{comma}{ours}{}", " ".repeat(spare)));
    (sent, expected)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn last_received(mock: &MockServer) -> Received {
    within("the record", mock.next_received()).await
}

/// POSTs `body` in pieces of `size` bytes, each an HTTP chunk; with a `content-length` if `announced`.
async fn post_in_pieces(url: &str, headers: Headers<'_>, body: &str, size: usize, announced: bool) -> Answer {
    let length = body.len().to_string();
    let mut headers = headers.to_vec();
    if announced {
        headers.push(("content-length", &length));
    }
    let (upload, answer) = client::upload(url, &headers);
    let answer = tokio::spawn(answer);
    for piece in body.as_bytes().chunks(size) {
        upload.send(piece.to_vec()).await.unwrap();
    }
    drop(upload);
    answer.await.unwrap().unwrap().finish().await
}

#[tokio::test]
async fn a_body_arrives_byte_for_byte_but_for_what_is_blanked_and_appended() {
    for hold in ["0", "262144"] {
        for (valves, ours) in [(&VALVES[..], OURS), (&[], "")] {
            let (mock, callsign) = callsign(&[valves, &[("CALLSIGN_BUFFER_BODY_BYTES", hold)]].concat()).await;
            let url = callsign.url("chat/completions");
            let headers = [USER, APP].concat();
            for marked in BODIES {
                let (sent, expected) = sent_and_expected(marked, ours);
                for (size, announced) in
                    [(1, false), (1, true), (2, false), (3, true), (5, false), (17, true), (9999, false), (9999, true)]
                {
                    let answer = post_in_pieces(&url, &headers, &sent, size, announced).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let received = last_received(&mock).await;
                    assert_eq!(text(&received.body), expected, "{hold} {size} {announced}");
                    let length = received.headers.get("content-length").map(|value| value.to_str().unwrap());
                    // A buffered body leaves with a known length, even if the client announced none.
                    let exact = expected.len().to_string();
                    let known = announced || hold != "0";
                    assert_eq!(length, known.then_some(&*exact), "{hold} {size} {announced}");
                    assert_eq!(received.headers.contains_key("transfer-encoding"), !known);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_may_be_split_anywhere() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&VALVES).streaming().start();
    let headers = [USER, APP].concat();
    for marked in &BODIES[4..7] {
        let (sent, expected) = sent_and_expected(marked, OURS);
        for at in 1..sent.len() {
            let (upload, answer) = client::upload(&callsign.url("chat/completions"), &headers);
            let answer = tokio::spawn(answer);
            for piece in [&sent.as_bytes()[..at], &sent.as_bytes()[at..]] {
                upload.send(piece.to_vec()).await.unwrap();
            }
            drop(upload);
            assert_eq!(answer.await.unwrap().unwrap().status, 200);
            assert_eq!(text(&last_received(&mock).await.body), expected, "split at {at}");
        }
    }
}

#[tokio::test]
async fn a_body_near_the_buffer_limit_arrives_whole() {
    let (mock, callsign) = callsign(&VALVES).await;
    let headers = [USER, APP].concat();
    for length in [262_143, 262_144, 262_145, 400_000, 3_000_000] {
        let filler = length - r#"{"p":"","user":"mallory"}"#.len();
        let marked = format!(r#"{{"p":"{}"«,"user":"mallory"»}}"#, "x".repeat(filler));
        let (sent, expected) = sent_and_expected(&marked, OURS);
        assert_eq!(sent.len(), length);
        for announced in [true, false] {
            let answer = post_in_pieces(&callsign.url("chat/completions"), &headers, &sent, 50_000, announced).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(last_received(&mock).await.body == expected.as_bytes(), "{length} {announced}");
        }
    }
}

#[tokio::test]
async fn a_body_beyond_the_total_buffer_is_streamed() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_BUFFER_TOTAL_BYTES", "100")]).start();
    let url = callsign.url("chat/completions");
    // A buffered request reaches the upstream after its end; a streamed one at its head.
    let (upload, answer) = client::upload(&url, APP);
    let answer = tokio::spawn(answer);
    upload.send(r#"{"model":"#).await.unwrap();
    within("the head of a streamed request", mock.wait_begun(1)).await;
    upload.send(r#""m"}"#).await.unwrap();
    drop(upload);
    assert_eq!(answer.await.unwrap().unwrap().status, 200);
}

/// Compares the client's answer with every byte that the mock sent.
async fn assert_relayed(mock: &MockServer, answer: &Answer) {
    let received = last_received(mock).await;
    let sent = mock.sent(received.number).unwrap();
    assert_eq!(answer.status, sent.status);
    assert_eq!(text(&answer.body), text(&sent.body));
    assert_eq!(answer.body, sent.body);
    assert_eq!(answer.headers.get("content-type"), sent.headers.get("content-type"));
    assert_eq!(answer.headers.get("x-generation-id"), sent.headers.get("x-generation-id"));
}

#[tokio::test]
async fn answers_arrive_as_they_were_written_in_every_dialect() {
    let (mock, callsign) = callsign(&VALVES).await;
    let headers = [USER, APP, &[("accept-encoding", "gzip, br")]].concat();
    let models = [
        "openai/gpt-4o-mini",
        "mock/crlf",
        "mock/no-usage",
        "mock/compressed",
        "mock/long-40",
        "mock/long-3000",
        "mock/mid-error",
        "mock/error-400",
        "mock/error-402",
        "mock/error-429",
        "mock/error-502",
        "mock/html-503",
    ];
    for endpoint in &INFERENCE {
        for model in models {
            for stream in [true, false] {
                let body = json!({"model": model, "stream": stream, "user": "mallory"}).to_string();
                let answer = client::post(&callsign.url(endpoint.path), &headers, body).await;
                assert_eq!(answer.cut, None, "{} {model}", endpoint.path);
                assert_relayed(&mock, &answer).await;
            }
        }
    }
}

#[tokio::test]
async fn the_well_known_parts_of_answers_are_there() {
    let (mock, callsign) = callsign(&[]).await;
    let ask = |path: &str, body: serde_json::Value, headers: Headers<'static>| {
        let (url, headers, body) = (callsign.url(path), [headers, APP].concat(), body.to_string());
        async move { client::post(&url, &headers, body).await }
    };
    let stream = ask("chat/completions", json!({"stream": true}), &[]).await;
    let said = stream.text();
    assert!(said.starts_with(": OPENROUTER PROCESSING\n\n") && said.ends_with("data: [DONE]\n\n"), "{said}");
    assert_eq!(stream.events().last().unwrap()["usage"]["total_tokens"], 18);
    let plain = ask("chat/completions", json!({}), &[]).await;
    assert!(plain.text().starts_with("\n         \n\n"), "{}", plain.text());
    assert_eq!(plain.json()["object"], "chat.completion");
    let speech = ask("audio/speech", json!({}), &[]).await;
    assert_eq!((speech.body.len(), speech.header("content-length")), (44 + 1024, "1068"));
    let packed = ask("chat/completions", json!({"model": "mock/compressed"}), &[("accept-encoding", "gzip")]).await;
    assert_eq!((packed.header("content-encoding"), &packed.body[..2]), ("gzip", &[0x1f, 0x8b][..]));
    let unpacked = ask("chat/completions", json!({"model": "mock/compressed"}), &[]).await;
    assert_eq!(
        unpacked.header("content-encoding"),
        "",
        "callsign asks for no compression that the client did not ask for"
    );
    let redirect = ask("chat/completions", json!({"model": "mock/redirect"}), &[]).await;
    assert_eq!((redirect.status.as_u16(), redirect.header("x-callsign-error")), (502, "upstream_redirect"));
    assert_eq!(redirect.header("location"), "");
    let limited = ask("chat/completions", json!({"model": "mock/error-429"}), &[]).await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, "1"));
    assert_eq!((limited.header("x-ratelimit-limit"), limited.header("x-callsign-error")), ("20", ""));
    assert_eq!(mock.begun(), 7, "a request was sent twice");
}

#[tokio::test]
async fn chunks_come_through_one_by_one() {
    let (mock, callsign) = callsign(&[]).await;
    let body = r#"{"model":"mock/gate","stream":true}"#;
    let mut stream = client::stream(&callsign.url("chat/completions"), APP, body).await;
    let mut seen = stream.until("\"content\":\"\"").await.to_vec();
    for _ in 0..3 {
        assert_eq!(text(&seen), text(&mock.sent(0).unwrap().body), "the relayed part differs from the sent one");
        mock.release(1);
        seen.extend_from_slice(&stream.until("\n\n").await);
    }
}

#[tokio::test]
async fn of_a_cut_answer_every_byte_arrives_and_then_no_clean_end() {
    let (mock, callsign) = callsign(&[]).await;
    for path in ["chat/completions", "responses", "messages"] {
        for (model, stream) in [
            ("mock/cut-after-0", true),
            ("mock/cut-after-3", true),
            ("mock/cut-mid-chunk", true),
            ("mock/cut-mid-chunk", false),
            ("mock/long-800+cut-after-700", true),
            ("mock/gaps+cut-after-4", true),
        ] {
            for _ in 0..5 {
                let body = json!({"model": model, "stream": stream}).to_string();
                let answer = client::post(&callsign.url(path), APP, body).await;
                assert!(answer.cut.is_some(), "{path} {model}");
                assert_relayed(&mock, &answer).await;
                assert!(!answer.text().contains("[DONE]"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_stops_at_a_raw_byte_stops_there_for_the_client() {
    let events: Vec<String> = (0..200).map(|number| format!("data: {number}\n\n")).collect();
    let stream = chaos::chunks(&events.iter().map(String::as_str).collect::<Vec<_>>());
    // Cuts in the end of the last chunk, in its data, and in the chunk before.
    for (missing, lost) in [(1, 0), (2, 0), (9, 7), (20, 13)] {
        let upstream = Chaos::start(When::Head, &stream[..stream.len() - missing], Then::Close).await;
        let callsign = Setup::to(&upstream.url()).start();
        let all = events.concat();
        for _ in 0..20 {
            let answer = client::post(&callsign.url("chat/completions"), APP, "{}").await;
            assert!(answer.cut.is_some());
            assert_eq!(answer.text(), all[..all.len() - lost], "{missing} missing");
        }
    }
}

/// Returns the number of body bytes in a chunked answer that was cut.
fn dechunked(answer: &[u8]) -> usize {
    let mut rest = &answer[memchr::memmem::find(answer, b"\r\n\r\n").unwrap() + 4..];
    let mut came = 0;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        assert_ne!(size, 0, "the answer ended cleanly");
        came += size.min(rest.len() - at - 2);
        rest = rest.get(at + 2 + size + 2..).unwrap_or_default();
    }
    came
}

/// hyper would lose the bytes buffered for a client that does not read if it saw the upstream's end before it could
/// write them. Only an answer that just fills all buffers shows this. The test searches for that size, which depends on
/// the system.
#[tokio::test]
async fn a_client_that_reads_slowly_gets_every_byte_of_a_cut_answer_too() {
    let event = format!("data: {}\n\n", "x".repeat(1000));
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ";
    let request = format!("{head}{APP_KEY}\r\ncontent-length: 2\r\n\r\n{{}}");
    let (mut fits, mut blocks) = (0, 8192);
    while blocks - fits > 1 {
        let count = usize::midpoint(fits, blocks);
        let stream = chaos::chunks(&vec![event.as_str(); count]);
        let upstream = Chaos::start(When::Head, &stream[..stream.len() - 2], Then::Close).await;
        let callsign = Setup::to(&upstream.url()).start();
        let mut peer = Peer::connect_narrow(callsign.address()).await;
        peer.send(request.as_bytes()).await.unwrap();
        // callsign closes the upstream connection when it has read its end. If it does not, it waits for the client. A
        // wrong guess on a slow machine only makes the search less exact.
        let left = tokio::time::timeout(Duration::from_millis(100), upstream.wait_left(1)).await;
        if left.is_ok() {
            fits = count;
        } else {
            blocks = count;
        }
        assert_eq!(dechunked(&peer.read_to_close().await), event.len() * count);
    }
    assert!((1..8191).contains(&fits), "no size at which callsign waits: {fits}");
}

#[tokio::test]
async fn headers_are_filtered_both_ways() {
    let mock = MockServer::start().await.unwrap();
    let callsign =
        Setup::to(&mock.url()).toml("[headers]\nforward = [\"x-my-header\"]\nx_openrouter_title = \"Acme\"\n").start();
    let passed = [
        ("accept", "text/event-stream"),
        ("accept-encoding", "gzip"),
        ("anthropic-beta", "one"),
        ("anthropic-beta", "two"),
        ("anthropic-version", "2023-06-01"),
        ("http-referer", "https://app.example"),
        ("openai-beta", "x"),
        ("x-anthropic-beta", "y"),
        ("x-my-header", "mine"),
        ("x-openrouter-categories", "chat"),
    ];
    let stopped = [("x-title", "the client's"), ("x-other", "1"), ("te", "trailers"), ("keep-alive", "x")];
    let headers = [&passed[..], &stopped, APP].concat();
    let body = r#"{"model":"mock/origin-headers+hop-headers"}"#;
    let answer = client::post(&callsign.url("messages"), &headers, body).await;
    let received = last_received(&mock).await;
    let mut arrived: Vec<_> =
        received.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    arrived.sort_unstable();
    let operator = format!("Bearer {OPERATOR_KEY}");
    let (host, length) = (mock.address().to_string(), received.body.len().to_string());
    let agent = concat!("callsign/", env!("CARGO_PKG_VERSION"));
    let own = [
        ("authorization", operator.as_str()),
        ("content-length", &length),
        ("content-type", "application/json"),
        ("host", &host),
        ("user-agent", agent),
        ("x-openrouter-title", "Acme"),
    ];
    let mut expected = [&passed[..], &own].concat();
    expected.sort_unstable();
    assert_eq!(arrived, expected);

    let mut names: Vec<_> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let from_openrouter =
        ["content-length", "content-type", "date", "permissions-policy", "referrer-policy", "vary", "x-generation-id"];
    let mut expected = [&from_openrouter[..], &["x-callsign-request-id"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn reading_passes_path_and_query_on() {
    let (mock, callsign) = callsign(&[]).await;
    for (asked, path, query) in [
        ("models", "/api/v1/models", None),
        ("models?category=a%20b&x=%2F&y", "/api/v1/models", Some("category=a%20b&x=%2F&y")),
        ("models?", "/api/v1/models", Some("")),
        ("models/openai%2Fgpt-4o", "/api/v1/models/openai%2Fgpt-4o", None),
        ("m%6fdels/openai/gpt-4o/endpoints", "/api/v1/m%6fdels/openai/gpt-4o/endpoints", None),
        ("embeddings/models", "/api/v1/embeddings/models", None),
    ] {
        // HEAD first: GET fills the cache of lists.
        for method in [Method::HEAD, Method::GET] {
            let answer = client::request(method.clone(), &callsign.url(asked), APP, "").await;
            let received = last_received(&mock).await;
            assert_eq!((&received.method, &*received.path, received.query.as_deref()), (&method, path, query));
            let sent = mock.sent(received.number).unwrap();
            assert_eq!(answer.status, sent.status);
            assert_eq!(answer.headers.get("content-length"), sent.headers.get("content-length"));
            assert_eq!(answer.body, sent.body);
            assert_eq!(answer.body.is_empty(), method == Method::HEAD);
        }
    }
    let url = callsign.url("messages?beta=true&user=mallory").replace("/v1/", "/api/v1/");
    client::post(&url, APP, "{}").await;
    let received = last_received(&mock).await;
    assert_eq!((received.path.as_str(), received.query.as_deref()), ("/api/v1/messages", Some("beta=true")));
}

#[tokio::test]
async fn the_account_is_blanked_in_errors_on_request() {
    let body = r#"{"model":"mock/error-404"}"#;
    for redact in [false, true] {
        let (mock, callsign) = callsign(&[("CALLSIGN_REDACT_ACCOUNT", if redact { "yes" } else { "no" })]).await;
        let answer = client::post(&callsign.url("chat/completions"), APP, body).await;
        let sent = mock.sent(0).unwrap().body;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (404, sent.len()));
        assert_eq!(answer.json().get("user_id").is_some(), !redact);
        assert_eq!(answer.text().contains("org_"), !redact);
        assert_eq!(answer.json()["error"], serde_json::from_slice::<serde_json::Value>(&sent).unwrap()["error"]);
        let page = client::post(&callsign.url("chat/completions"), APP, r#"{"model":"mock/html-503"}"#).await;
        assert_eq!(page.body, mock.sent(1).unwrap().body);
        let plain = client::post(&callsign.url("chat/completions"), APP, r#"{"user_id":"kept"}"#).await;
        assert_eq!(plain.body, mock.sent(2).unwrap().body);
    }
}
