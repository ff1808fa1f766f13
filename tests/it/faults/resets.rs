//! Small exchanges that break at every byte, on either side of callsign.

use mock_openrouter::MockServer;

use super::{ask, told, wait_accounts};
use crate::support::chaos::{Chaos, Then, When};
use crate::support::client;
use crate::support::peer::Peer;
use crate::support::proxy::{APP, APP_KEY, Setup};
use crate::support::within;

/// Builds an answer that closes its connection, so that every exchange uses a new one.
fn answer(framing: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n{framing}\r\n\r\n{body}")
}

#[tokio::test]
async fn an_answer_that_breaks_at_any_byte_is_never_taken_for_whole() {
    let json = r#"{"id":"gen-1","choices":[]}"#;
    let events = "data: {\"a\":1}\n\ndata: [DONE]\n\n";
    let (first, second) = events.split_at(15);
    let chunked = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let (mut exchanges, mut refused, mut cut, mut whole) = (0, 0, 0, 0);
    for (bytes, body) in [
        (answer(&format!("content-length: {}", json.len()), json), json),
        (answer("transfer-encoding: chunked", &chunked), events),
    ] {
        let head = bytes.find("\r\n\r\n").unwrap() + 4;
        for then in [Then::Close, Then::Reset] {
            let scripts = (0..=bytes.len()).map(|at| (When::Head, bytes.as_bytes()[..at].to_vec(), then)).collect();
            let upstream = Chaos::in_turn(scripts).await;
            let callsign = Setup::to(&upstream.url()).workers(1).start();
            for at in 0..=bytes.len() {
                let answer = ask(&callsign).await;
                exchanges += 1;
                assert_eq!(upstream.accepted(), at + 1, "a request was sent twice");
                if answer.status != 200 {
                    // A reset may overtake the bytes sent before it.
                    assert!(at < head || matches!(then, Then::Reset), "{then:?} at {at}: {answer:?}");
                    assert_eq!(told(&answer), (502, "upstream_unreachable"), "{then:?} at {at}");
                    refused += 1;
                    continue;
                }
                assert!(at >= head && body.starts_with(&answer.text()), "{then:?} at {at}: {answer:?}");
                if answer.cut.is_some() {
                    cut += 1;
                    assert!(at < bytes.len() || matches!(then, Then::Reset), "{then:?} at {at}");
                } else {
                    whole += 1;
                    assert_eq!((answer.text().as_str(), at), (body, bytes.len()), "{then:?}");
                }
            }
        }
    }
    assert!(whole >= 2, "{whole}");
    println!(
        "answers broken at every byte: {exchanges} exchanges, {refused} refused, {cut} cut, {whole} whole, 0 hung, 0 truncated"
    );
}

/// A body without length ends with its connection, so that only a reset shows that it is incomplete.
#[tokio::test]
async fn an_answer_without_a_length_is_cut_by_a_reset() {
    let bytes = answer("x-length: none", "{\"id\":1}");
    let head = bytes.find("\r\n\r\n").unwrap() + 4;
    let scripts = (head..=bytes.len()).map(|at| (When::Head, bytes.as_bytes()[..at].to_vec(), Then::Reset)).collect();
    let upstream = Chaos::in_turn(scripts).await;
    let callsign = Setup::to(&upstream.url()).workers(1).start();
    for at in head..=bytes.len() {
        let answer = ask(&callsign).await;
        assert!(answer.status == 502 || answer.cut.is_some(), "at {at}: {answer:?}");
    }
}

#[tokio::test]
async fn a_request_that_the_upstream_breaks_at_any_byte_is_502_and_sent_once() {
    let mut exchanges = 0;
    for hold in ["0", "262144"] {
        let probe = Chaos::start(When::Head, answer("content-length: 2", "{}"), Then::Close).await;
        let setup = |url: &str| Setup::to(url).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).workers(1);
        assert_eq!(ask(&setup(&probe.url()).start()).await.status, 200);
        let length = probe.received().len();
        for then in [Then::Close, Then::Reset] {
            let whens = std::iter::once(When::Connected).chain((1..=length).map(When::Bytes));
            let upstream = Chaos::in_turn(whens.map(|when| (when, Vec::new(), then)).collect()).await;
            let callsign = setup(&upstream.url()).start();
            for at in 0..=length {
                let answer = ask(&callsign).await;
                assert_eq!((told(&answer), &answer.cut), ((502, "upstream_unreachable"), &None), "{then:?} at {at}");
                assert_eq!(upstream.accepted(), at + 1, "{then:?} at {at}");
                exchanges += 1;
            }
        }
    }
    println!("requests broken at every byte by the upstream: {exchanges} exchanges, 0 hung, 0 sent twice");
}

#[tokio::test]
async fn a_request_that_the_client_breaks_at_any_byte_never_runs() {
    let mock = MockServer::start().await.unwrap();
    let body = r#"{"model":"m","messages":[]}"#;
    let mut exchanges = 0;
    for (hold, chunked) in [("0", false), ("0", true), ("262144", false), ("262144", true)] {
        let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).workers(1).start();
        let framed = if chunked {
            format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        } else {
            format!("content-length: {}\r\n\r\n{body}", body.len())
        };
        let request =
            format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\n{framed}");
        let head = request.find("\r\n\r\n").unwrap() + 4;
        for at in 0..request.len() {
            for reset in [false, true] {
                let mut peer = Peer::connect(callsign.address()).await;
                peer.send(&request.as_bytes()[..at]).await.unwrap();
                if reset {
                    peer.reset();
                } else {
                    drop(peer);
                }
                exchanges += 1;
            }
        }
        // A reset may drop bytes that callsign has not read. A closed connection was a request if its head was
        // complete.
        wait_accounts(&callsign, (request.len() - head) as u64).await;
        assert_eq!(mock.received().len(), 0);
    }
    within("the cancellations", mock.wait_cancelled(mock.begun())).await;
    let callsign = Setup::to(&mock.url()).start();
    assert_eq!(client::post(&callsign.url("chat/completions"), APP, body).await.status, 200);
    assert_eq!(mock.received().len(), 1, "an incomplete request was executed");
    println!(
        "requests broken at every byte by the client: {exchanges} exchanges, {} begun upstream, 0 run",
        mock.begun() - 1
    );
}
