//! Heads: ambiguous framing, unusual line ends, floods, hop-by-hop headers.

use std::fmt::Write as _;

use mock_openrouter::MockServer;

use super::{Read, answers, ask, ask_once, lossy, send_some};
use crate::support::chaos::{Chaos, Then, When};
use crate::support::peer::Peer;
use crate::support::proxy::{APP_KEY, OPERATOR_KEY, Setup, VALVES, callsign};

/// Builds a keep-alive POST by the app; `rest` is further headers, a blank line and a body.
fn post(rest: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {APP_KEY}\r\n{rest}")
}

/// A request inside the bodies below, which must not be executed.
const HIDDEN: &str =
    "GET /v1/models HTTP/1.1\r\nhost: hidden\r\nauthorization: Bearer sk-cs-a-key-of-alice-0123456789\r\n\r\n";

/// Heads that must be refused, with an end of the connection.
const REFUSED: [&str; 39] = [
    "host: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "host: a\r\ncontent-length: 3\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\ncontent-length: 2, 2\r\n\r\n{}",
    "host: a\r\ncontent-length: 2, 3\r\n\r\n{}",
    "host: a\r\ncontent-length: 0x2\r\n\r\n{}",
    "host: a\r\ncontent-length: -2\r\n\r\n{}",
    "host: a\r\ncontent-length: +2\r\n\r\n{}",
    "host: a\r\ncontent-length: 2;\r\n\r\n{}",
    "host: a\r\ncontent-length: \r\n\r\n{}",
    "host: a\r\ncontent-length: 99999999999999999999\r\n\r\n{}",
    "host: a\r\ncontent-length: 18446744073709551614\r\n\r\n{}",
    "host: a\r\ncontent-length : 2\r\n\r\n{}",
    "host: a\r\ncontent-length\r\n: 2\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: identity\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: gzip\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: chunked, identity\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: chunked;q=1\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: xchunked\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: \"chunked\"\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: \u{b}chunked\r\n\r\n{}",
    "host: a\r\ntransfer-encoding : chunked\r\n\r\n{}",
    "host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{}",
    "host: a\r\ntransfer-encoding:\r\n\r\n{}",
    // The chunks are complete; only the header is wrong.
    "host: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "host: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "host: a\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "host: a\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\nHOST: b\r\ncontent-length: 2\r\n\r\n{}",
    "content-length: 2\r\n\r\n{}",
    // A folded line (RFC 9112, section 5.2), white space before the first header, an invalid header name.
    "host: a\r\nx: one\r\n two\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\nx: one\r\n\ttransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
    " host: a\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\n: empty\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\nx y: z\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\nno-colon\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\nx: a\0b\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\nx: a\rb\r\ncontent-length: 2\r\n\r\n{}",
    "host: a\r\r\ncontent-length: 2\r\n\r\n{}",
];

/// The requests are refused and their connections closed, so that bytes after them are not read as requests.
#[tokio::test]
async fn framing_with_two_readings_is_refused_and_nothing_behind_it_is_read() {
    let (mock, callsign) = callsign(&[]).await;
    let (mut ours, mut hypers) = (0, 0);
    for rest in REFUSED {
        let answers = ask(callsign.address(), format!("{}{HIDDEN}", post(rest)).as_bytes()).await;
        // hyper answers 431 to a `content-length` that is too large.
        assert!(matches!(answers[..], [Read { status: 400 | 431, .. }]), "{rest:?}: {answers:?}");
        assert_eq!(answers[0].header("connection"), "close", "{rest:?}");
        if answers[0].code() == "bad_request" {
            ours += 1;
        } else {
            hypers += 1;
        }
    }
    for line in [
        "GET  /v1/models HTTP/1.1",
        " GET /v1/models HTTP/1.1",
        "GET /v1/models HTTP/1.1 ",
        "GET /v1/models",
        "GET\t/v1/models\tHTTP/1.1",
        "GET /v1/mo dels HTTP/1.1",
        "GET /v1/models HTTP/1.2",
        "GET /v1/models HTTP/3.0",
        "GET /v1/models http/1.1",
        "G@T /v1/models HTTP/1.1",
        "GET /v1/models\0 HTTP/1.1",
        "GET v1/models HTTP/1.1",
        "GET http:///v1/models HTTP/1.1",
        "\x16\x03\x01\x02",
        "GET /\x7f HTTP/1.1",
    ] {
        let request = format!("{line}\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\n\r\n{HIDDEN}");
        let statuses: Vec<u16> =
            ask(callsign.address(), request.as_bytes()).await.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [400 | 505] | []), "{line:?}: {statuses:?}");
        hypers += 1;
    }
    assert_eq!(mock.begun(), 0);
    println!("heads refused: {ours} by callsign, {hypers} by hyper, 0 reached the upstream");

    // Heads with only one reading pass, and the connection stays in sync.
    for rest in [
        "host: a\r\ncontent-length: 2\r\n\r\n{}",
        "host: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        "host: a\r\ncontent-length: 002\r\n\r\n{}",
        "host:\r\ncontent-length: 2\r\n\r\n{}",
        "host: a\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ] {
        let last = post("host: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n[]");
        let answers = ask(callsign.address(), format!("{}{last}", post(rest)).as_bytes()).await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 400], "{rest:?}: {answers:?}");
        assert_eq!(answers[1].code(), "invalid_json");
    }
    assert!(mock.received().iter().all(|received| received.json() == Some(serde_json::json!({}))));
}

#[tokio::test]
async fn of_length_and_chunks_the_chunks_count_and_the_connection_ends() {
    let (mock, callsign) = callsign(&[]).await;
    for (number, rest) in [
        "host: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\ncontent-length: nonsense\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "host: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let answers = ask(callsign.address(), format!("{}{HIDDEN}", post(rest)).as_bytes()).await;
        assert_eq!(answers.len(), 1, "{rest:?}: {answers:?}");
        assert_eq!((answers[0].status, answers[0].header("connection")), (200, "close"), "{rest:?}");
        let received = mock.received();
        assert_eq!((received.len(), received[number].json()), (number + 1, Some(serde_json::json!({}))));
        assert_ne!(received[number].header("content-length"), Some("4"), "{rest:?}");
    }
}

/// hyper accepts a bare LF as a line end, as RFC 9112, section 2.2, allows. That is safe as long as it does so
/// everywhere and the head for the upstream is written by callsign.
#[tokio::test]
async fn a_bare_lf_ends_a_line_and_nothing_else() {
    let (mock, callsign) = callsign(&VALVES).await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\nhost: a\nauthorization: Bearer {APP_KEY}\nx-user-id: u-1\ncontent-length: 2\n\n{{}}"
    );
    let last = "GET /v1/keys HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = ask(callsign.address(), format!("{request}{last}").as_bytes()).await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 404]);
    let received = mock.received();
    assert_eq!((received.len(), &received[0].json().unwrap()["user"]), (1, &"u-1".into()));
    // A value cannot smuggle a second identity: two lines are two headers, which are ambiguous.
    let request = post("host: a\r\nx-user-id: u-1\nx-user-id: u-2\r\ncontent-length: 2\r\n\r\n{}");
    let mut peer = Peer::connect(callsign.address()).await;
    peer.send(request.as_bytes()).await.unwrap();
    peer.read_until(b"x-callsign-error: ambiguous_identity\r\n").await;
    // Within chunked framing a bare LF is an error.
    for body in ["2\n{}\r\n0\r\n\r\n", "2\r\n{}\n0\r\n\r\n", "2;x\n{}\r\n0\r\n\r\n"] {
        let request = post(&format!("host: a\r\ntransfer-encoding: chunked\r\n\r\n{body}{HIDDEN}"));
        let answers = ask(callsign.address(), request.as_bytes()).await;
        assert!(answers.iter().all(|answer| answer.status == 400) && answers.len() <= 1, "{body:?}: {answers:?}");
    }
    assert_eq!(mock.received().len(), 1);
}

#[tokio::test]
async fn floods_of_headers_are_431_and_the_end() {
    let (mock, callsign) = callsign(&[]).await;
    let few: String = (0..90).fold(String::new(), |mut few, number| {
        let _infallible = write!(few, "x-{number}: 1\r\n");
        few
    });
    let fits = post(&format!("host: a\r\nconnection: close\r\n{few}content-length: 2\r\n\r\n{{}}"));
    assert_eq!(ask_once(callsign.address(), fits.as_bytes()).await.status, 200);
    let floods = [
        ("101 headers", "x: 1\r\n".repeat(101)),
        ("50,000 headers", "x: 1\r\n".repeat(50_000)),
        ("one of 100 KiB", format!("x: {}\r\n", "y".repeat(100 << 10))),
        ("a name of 100 KiB", format!("{}: 1\r\n", "y".repeat(100 << 10))),
        ("no end of a line", "y".repeat(1 << 20)),
        ("no end of a head", "x: 1\r\n".repeat(1 << 17)),
    ];
    for (name, flood) in &floods {
        let mut peer = Peer::connect(callsign.address()).await;
        send_some(&mut peer, post(&format!("host: a\r\n{flood}")).as_bytes()).await;
        if !name.starts_with("no end") {
            send_some(&mut peer, b"\r\n").await;
        }
        let said = peer.read_to_close().await;
        // The reset after the answer may overtake it.
        let answers = if said.is_empty() { Vec::new() } else { answers(&said, &[]) };
        assert!(answers.iter().all(|answer| answer.status == 431) && answers.len() <= 1, "{name}: {answers:?}");
    }
    for (target, status) in [("x".repeat(20_000), 404), ("x".repeat(70_000), 431)] {
        let request = format!("GET /v1/{target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut peer = Peer::connect(callsign.address()).await;
        send_some(&mut peer, request.as_bytes()).await;
        let said = peer.read_to_close().await;
        assert!(said.is_empty() || answers(&said, &[])[0].status == status, "{}", lossy(&said));
    }
    assert_eq!((mock.begun(), mock.received().len()), (1, 1));
    println!("header floods: {} refused, 0 reached the upstream", floods.len() + 1);
}

#[tokio::test]
async fn connection_takes_no_header_upstream_and_none_of_callsigns_away() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url())
        .set(&VALVES)
        .toml("[headers]\nforward = [\"x-my-header\"]\nhttp_referer = \"https://acme.example\"\n")
        .start();
    let hop = "connection: close, Authorization, content-type,content-length, user-agent, http-referer\r\n\
               connection: x-my-header,X-Session-Id, anthropic-beta, transfer-encoding, host, x-user-id\r\n\
               x-my-header: hop\r\nanthropic-beta: hop\r\nx-session-id: hop\r\nx-user-id: u-1\r\n";
    let rerank = format!(
        "POST /v1/rerank HTTP/1.1\r\nauthorization: Bearer {APP_KEY}\r\nhost: a\r\n{hop}content-length: 2\r\n\r\n{{}}"
    );
    let chat = post(&format!("host: a\r\n{hop}accept: */*\r\ncontent-length: 2\r\n\r\n{{}}"));
    for request in [chat, rerank] {
        assert_eq!(ask_once(callsign.address(), request.as_bytes()).await.status, 200);
    }
    for received in mock.received() {
        assert_eq!(received.header("authorization"), Some(format!("Bearer {OPERATOR_KEY}").as_str()));
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.header("http-referer"), Some("https://acme.example"));
        assert!(received.header("user-agent").unwrap().starts_with("callsign/"));
        assert!(received.header("content-length").is_some());
        for gone in ["x-my-header", "anthropic-beta", "connection", "x-user-id"] {
            assert!(!received.headers.contains_key(gone), "{gone}: {:?}", received.headers);
        }
    }
    let received = mock.received();
    // callsign is the next hop, so it reads the identity headers that `connection` names.
    assert_eq!(received[0].json().unwrap()["user"], "u-1");
    assert_eq!(received[0].header("accept"), Some("*/*"));
    assert_eq!(received[1].header("x-session-id"), Some("hop"), "written by callsign");
}

/// Response headers that `connection` names are dropped, also when several lines name them.
#[tokio::test]
async fn headers_of_the_upstreams_hop_stay_there() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close, x-one\r\nconnection: X-Two\r\nx-one: 1\r\nx-two: 2\r\nx-three: 3\r\n\
                  content-length: 2\r\n\r\n{}";
    let upstream = Chaos::start(When::Head, answer, Then::Close).await;
    let callsign = Setup::to(&upstream.url()).start();
    let request = post("host: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
    let Read { status, head, body } = ask_once(callsign.address(), request.as_bytes()).await;
    assert_eq!((status, body.as_str()), (200, "{}"));
    assert!(!head.contains("x-one") && !head.contains("x-two") && head.contains("x-three: 3\r\n"), "{head}");
}
