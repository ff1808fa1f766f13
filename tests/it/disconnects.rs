//! Clients and upstreams that leave, break off or fall silent: the other side learns of it at once, and no request is
//! sent twice.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mock_openrouter::MockServer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client::{self, Answer};
use crate::support::peer::Peer;
use crate::support::proxy::{APP, APP_KEY, Callsign, Setup, callsign};
use crate::support::within;

/// A timeout that a loaded machine still meets, and that a test can wait for.
const SHORT: Duration = Duration::from_millis(300);

async fn ask(callsign: &Callsign, model: &str, stream: bool) -> client::Streaming {
    let body = json!({"model": model, "stream": stream}).to_string();
    client::stream(&callsign.url("chat/completions"), APP, body).await
}

fn error(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("x-callsign-error"))
}

/// Waits until callsign has counted `count` requests with this outcome.
async fn wait_outcome(callsign: &Callsign, outcome: &str, count: u64) {
    let wanted = format!("outcome=\"{outcome}\"");
    within(outcome, async {
        loop {
            let metrics = client::get(&callsign.admin_url("metrics"), &[]).await.text();
            let lines =
                metrics.lines().filter(|line| line.starts_with("callsign_requests_total") && line.contains(&wanted));
            if lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>() >= count {
                break;
            }
        }
    })
    .await;
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_client_that_leaves_during_its_upload_takes_the_request_with_it() {
    let mock = MockServer::start().await.unwrap();
    let streaming = Setup::to(&mock.url()).streaming().start();
    let mut begun = 0;
    for reset in [false, true] {
        let mut peer = Peer::connect(streaming.address()).await;
        peer.send(format!("{}{{\"model\":\"m\",", head(100)).as_bytes()).await.unwrap();
        begun += 1;
        within("the head", mock.wait_begun(begun)).await;
        if reset {
            peer.reset();
        } else {
            drop(peer);
        }
        within("the cancellation", mock.wait_cancelled(begun)).await;
    }
    assert_eq!(mock.received().len(), 0);

    // A buffered request is not sent before its body is complete.
    let holding = Setup::to(&mock.url()).start();
    let mut peer = Peer::connect(holding.address()).await;
    peer.send(format!("{}{{\"model\":\"m\",", head(100)).as_bytes()).await.unwrap();
    drop(peer);
    wait_ended(&holding).await;
    assert_eq!(mock.begun(), begun);
}

/// Waits until callsign has counted one request, whatever its outcome.
async fn wait_ended(callsign: &Callsign) {
    within("the end of the request", async {
        while !client::get(&callsign.admin_url("metrics"), &[]).await.text().contains("callsign_requests_total{") {}
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_upstream_request_with_it() {
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        let mut gone = 0;
        for stream in [true, false] {
            // Before the head of the answer.
            for model in ["mock/hang", "mock/gate-head"] {
                let mut peer = Peer::connect(callsign.address()).await;
                let body = json!({"model": model, "stream": stream}).to_string();
                peer.send(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
                within("the request", mock.wait_received(gone + 1)).await;
                drop(peer);
                gone += 1;
                within("the cancellation", mock.wait_cancelled(gone)).await;
            }
            // In the middle of the answer, after its first white space or comment.
            let model = if stream { "mock/hang-after-2" } else { "mock/hang-after-0" };
            let mut answer = ask(&callsign, model, stream).await;
            answer.next().await.unwrap().unwrap();
            drop(answer);
            gone += 1;
            within("the cancellation", mock.wait_cancelled(gone)).await;
        }
        wait_outcome(&callsign, "client_gone", gone as u64).await;
        // A client that stays is not counted.
        assert_eq!(ask(&callsign, "m", true).await.finish().await.cut, None);
        wait_outcome(&callsign, "complete", 1).await;
        assert_eq!(mock.cancelled(), gone);
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_502() {
    let callsign = Setup::to(&Chaos::refusing_url()).start();
    for _ in 0..2 {
        let answer = client::post(&callsign.url("chat/completions"), APP, "{}").await;
        assert_eq!(error(&answer), (502, "upstream_unreachable"));
        let answer = client::post(&callsign.url("messages"), APP, "{}").await;
        assert_eq!(
            (error(&answer), answer.json()["error"]["type"].as_str()),
            ((502, "upstream_unreachable"), Some("api_error"))
        );
        assert_eq!(error(&client::get(&callsign.url("models"), APP).await), (502, "upstream_unreachable"));
    }
    // callsign reads a long upload to its end, so that the client can read the answer.
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(9 << 20));
    let answer = client::post(&callsign.url("chat/completions"), APP, body).await;
    assert_eq!((error(&answer), &answer.cut), ((502, "upstream_unreachable"), &None));
}

#[tokio::test]
async fn an_upstream_that_does_not_take_the_connection_is_504() {
    // The system does not answer connections beyond the full queue of a listener that never accepts.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let queued: Vec<_> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, SHORT).ok()).take(64).collect();
    assert!(queued.len() < 64, "the queue never fills");
    let callsign =
        Setup::to(&format!("http://{address}/api/v1")).adjust(|config| config.upstream.connect_timeout = SHORT).start();
    let answer = client::post(&callsign.url("chat/completions"), APP, "{}").await;
    assert_eq!(error(&answer), (504, "upstream_timeout"));
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_504_and_is_left() {
    for hold in ["0", "262144"] {
        let upstream = Chaos::silent().await;
        let callsign = Setup::to(&upstream.url())
            .set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)])
            .adjust(|config| config.upstream.first_byte_timeout = SHORT)
            .start();
        let answer = client::post(&callsign.url("messages"), APP, "{}").await;
        assert_eq!((error(&answer), answer.json()["type"].as_str()), ((504, "upstream_timeout"), Some("error")));
        upstream.wait_left(1).await;
        assert_eq!(upstream.accepted(), 1, "the request was retried");
    }
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_cut() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).adjust(|config| config.upstream.idle_timeout = SHORT).start();
    for (number, stream) in [true, false].into_iter().enumerate() {
        let model = if stream { "mock/hang-after-2" } else { "mock/hang-after-0" };
        let answer = ask(&callsign, model, stream).await.finish().await;
        assert!(answer.cut.is_some());
        assert_eq!(answer.body, mock.sent(number).unwrap().body);
        within("the cancellation", mock.wait_cancelled(number + 1)).await;
    }
    wait_outcome(&callsign, "upstream_silent", 2).await;
}

#[tokio::test]
async fn an_upstream_that_closes_without_an_answer_has_it_once() {
    for then in [Then::Close, Then::Reset] {
        for hold in ["0", "262144"] {
            let upstream = Chaos::start(When::Head, "", then).await;
            let callsign = Setup::to(&upstream.url()).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).start();
            let answer = client::post(&callsign.url("chat/completions"), APP, r#"{"model":"m"}"#).await;
            assert_eq!(error(&answer), (502, "upstream_unreachable"), "{then:?} {hold}");
            assert_eq!(upstream.accepted(), 1, "{then:?} {hold}");
            let answer = client::get(&callsign.url("models"), APP).await;
            assert_eq!((error(&answer), upstream.accepted()), ((502, "upstream_unreachable"), 2));
        }
    }
}

/// Answers the first request of each connection; reads the second one and closes. Counts both.
async fn forgetful(requests: Arc<AtomicUsize>) -> (String, tokio::task::AbortHandle) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            for answer in [chaos::answer("{}"), Vec::new()] {
                while !seen.ends_with(b"}") {
                    if socket.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                requests.fetch_add(usize::from(!seen.is_empty()), Ordering::Relaxed);
                seen.clear();
                socket.write_all(&answer).await.unwrap();
            }
        }
    });
    (url, accepting.abort_handle())
}

#[tokio::test]
async fn a_request_on_a_pooled_connection_is_not_sent_again_either() {
    for hold in ["0", "262144"] {
        let requests = Arc::new(AtomicUsize::new(0));
        let (url, accepting) = forgetful(Arc::clone(&requests)).await;
        let callsign = Setup::to(&url).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).workers(1).start();
        let ask = || async { client::post(&callsign.url("chat/completions"), APP, r#"{"model":"m"}"#).await };
        assert_eq!(ask().await.status, 200);
        assert_eq!(error(&ask().await), (502, "upstream_unreachable"), "{hold}");
        assert_eq!(requests.load(Ordering::Relaxed), 2, "{hold}");
        accepting.abort();
    }
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_is_replaced() {
    let upstream = Chaos::start(When::Head, chaos::answer("{}"), Then::Close).await;
    let callsign = Setup::to(&upstream.url()).workers(1).start();
    for round in 1..=5 {
        let answer = client::post(&callsign.url("chat/completions"), APP, r#"{"model":"m"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "{}"));
        upstream.wait_left(round).await;
        assert_eq!(upstream.accepted(), round);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    let whole = chaos::answer(r#"{"id":"gen-1","choices":[]}"#);
    for (then, missing) in [(Then::Close, 1), (Then::Close, 20)] {
        let upstream = Chaos::start(When::Head, &whole[..whole.len() - missing], then).await;
        let callsign = Setup::to(&upstream.url()).start();
        let answer = client::post(&callsign.url("chat/completions"), APP, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.cut.is_some()), (200, true));
        assert!(whole.ends_with(&[&answer.body[..], &whole[whole.len() - missing..]].concat()));
        wait_outcome(&callsign, "upstream_cut", 1).await;
    }
    // Half a head is not an answer.
    let upstream = Chaos::start(When::Head, "HTTP/1.1 200 OK\r\ncontent-ty", Then::Close).await;
    let callsign = Setup::to(&upstream.url()).start();
    let answer = client::post(&callsign.url("chat/completions"), APP, "{}").await;
    assert_eq!((error(&answer), upstream.accepted()), ((502, "upstream_unreachable"), 1));
    // Neither is a head that is too long.
    let upstream = Chaos::start(When::Head, chaos::oversized_head(1 << 20), Then::Close).await;
    let callsign = Setup::to(&upstream.url()).start();
    let answer = client::post(&callsign.url("chat/completions"), APP, "{}").await;
    assert_eq!(error(&answer), (502, "upstream_unreachable"));
}

#[tokio::test]
async fn an_early_answer_is_relayed_while_the_client_still_uploads() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).streaming().start();
    for (number, length) in [None, Some("9000000")].into_iter().enumerate() {
        let headers: Vec<_> = APP.iter().copied().chain(length.map(|length| ("content-length", length))).collect();
        let (upload, answer) = client::upload(&callsign.url("chat/completions"), &headers);
        let answer = tokio::spawn(answer);
        upload.send(r#"{"model":"mock/early-402","messages":[""#).await.unwrap();
        let answer = answer.await.unwrap().unwrap().finish().await;
        assert_eq!((error(&answer), &answer.cut), ((402, ""), &None));
        assert_eq!(answer.body, mock.sent(number).unwrap().body);
        // callsign does not read the rest and closes the connection.
        while upload.send(vec![b'x'; 10_000]).await.is_ok() {}
        assert_eq!((mock.begun(), mock.received().len()), (number + 1, 0));
    }
}

#[tokio::test]
async fn an_upload_that_spoils_after_the_answer_began_cuts_both_sides() {
    let upstream = Chaos::start(When::Head, chaos::chunks(&["data: one\n\n"]), Then::Stall).await;
    let callsign = Setup::to(&upstream.url()).streaming().start();
    let (upload, answer) = client::upload(&callsign.url("chat/completions"), APP);
    let answer = tokio::spawn(answer);
    upload.send(r#"{"model":"m","#).await.unwrap();
    let mut answer = answer.await.unwrap().unwrap();
    answer.until("data: one\n\n").await;
    upload.send("}").await.unwrap();
    assert!(answer.finish().await.cut.is_some());
    upstream.wait_left(1).await;
    let received = String::from_utf8(upstream.received()).unwrap();
    assert!(received.contains("transfer-encoding: chunked\r\n") && !received.contains("0\r\n\r\n"), "{received}");
}
