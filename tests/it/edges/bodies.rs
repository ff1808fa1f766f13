//! Bodies: chunk extensions, broken chunks, trailers, no body at all, and a client that is too slow.

use std::time::Duration;

use callsign_gateway::server::{Timeouts, UploadTimeouts};
use mock_openrouter::MockServer;

use super::{answers, ask, ask_once, lossy, send_some};
use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client;
use crate::support::peer::{Peer, raw};
use crate::support::proxy::{APP, APP_KEY, Setup, VALVES, callsign};
use crate::support::within;

fn post(path: &str, rest: &str) -> String {
    format!("POST /v1/{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\nx-user-id: u-1\r\n{rest}")
}

#[tokio::test]
async fn no_body_is_no_json_and_no_request() {
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        for path in ["chat/completions", "messages", "embeddings"] {
            for framing in ["\r\n", "content-length: 0\r\n\r\n", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"] {
                let last = post("keys", "connection: close\r\ncontent-length: 0\r\n\r\n");
                let answers = ask(callsign.address(), format!("{}{last}", post(path, framing)).as_bytes()).await;
                let told: Vec<_> = answers.iter().map(|answer| (answer.status, answer.code())).collect();
                let refused = (400, "invalid_json");
                assert!(told == [refused, (404, "not_exposed")] || told == [refused], "{path} {framing:?}: {told:?}");
            }
        }
        assert_eq!(mock.received().len(), 0);
        if hold != "0" {
            assert_eq!(mock.begun(), 0);
        }
    }
}

#[tokio::test]
async fn chunks_arrive_whatever_is_said_beside_them() {
    for hold in ["0", "262144"] {
        let upstream = Chaos::start(When::Head, chaos::answer("{}"), Then::Stall).await;
        let callsign = Setup::to(&upstream.url()).set(&VALVES).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).start();
        let body = "2;mallory=1\r\n{\"\r\n5 ; mallory=\"a;b\"\r\na\":1}\r\n000;mallory\r\nx-user-id: mallory\r\nuser: mallory\r\n\
                    content-length: 99\r\nauthorization: Bearer mallory\r\n\r\n";
        let rest = format!(
            "transfer-encoding: chunked\r\ntrailer: x-user-id\r\nte: trailers\r\nconnection: close, te\r\n\r\n{body}"
        );
        let answer = ask_once(callsign.address(), post("chat/completions", &rest).as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        let received = lossy(&upstream.received());
        assert!(!received.contains("mallory") && !received.contains("trailer"), "{received}");
        assert!(received.contains("\"user\":\"u-1\""), "{received}");
    }
}

/// A bare LF after the last chunk is not covered: hyper reads it as the start of trailers and drops all bytes up to the
/// next blank line. The body is complete by then.
#[tokio::test]
async fn broken_chunks_are_no_request() {
    let hidden = "GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let long = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(20_000));
    let many = format!("2\r\n{{}}\r\n0\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let bodies = [
        "g\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2 2\r\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\r0\r\n\r\n",
        "3\r\n{}\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "\r\n2\r\n{}\r\n0\r\n\r\n",
        "2,\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\n{}\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\n\r\n",
        "2;\n{}\r\n0\r\n\r\n",
        &long,
        &many,
    ];
    let mut broken = 0;
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        for body in bodies {
            let request = post("chat/completions", &format!("transfer-encoding: chunked\r\n\r\n{body}{hidden}"));
            let mut peer = Peer::connect(callsign.address()).await;
            send_some(&mut peer, request.as_bytes()).await;
            peer.half_close().await;
            let answers = answers(&peer.read_to_close().await, &[]);
            assert!(answers.len() <= 1 && answers.iter().all(|answer| answer.status == 400), "{body:?}: {answers:?}");
            broken += 1;
        }
        assert_eq!(mock.received().len(), 0, "{:?}", mock.received());
        within("the requests to be cut", mock.wait_cancelled(mock.begun())).await;
    }
    println!("broken chunks: {broken} bodies, 0 became a request");
}

/// The upstream's trailers do not reach the client either. The answer ends cleanly and counts as complete.
#[tokio::test]
async fn trailers_of_the_upstream_end_its_answer() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-trailer\r\nconnection: close\r\n\r\n";
    let answer = format!("{head}2\r\n{{}}\r\n0\r\nx-trailer: mallory\r\nset-cookie: mallory=1\r\n\r\n");
    let upstream = Chaos::start(When::Head, answer, Then::Close).await;
    let callsign = Setup::to(&upstream.url()).start();
    let request = post("chat/completions", "te: trailers\r\nconnection: close, te\r\ncontent-length: 2\r\n\r\n{}");
    let said = raw(callsign.address(), request.as_bytes()).await;
    assert!(!lossy(&said).contains("mallory"), "{}", lossy(&said));
    assert_eq!(answers(&said, &[])[0].body, "{}");
    let metrics = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    assert!(metrics.contains("outcome=\"complete\"") && !metrics.contains("outcome=\"client_gone\""), "{metrics}");
}

/// A client that uploads too slowly is refused at once. callsign does not read on, as it does after other refusals.
#[tokio::test]
async fn a_408_does_not_wait_for_the_rest() {
    // Reading on would take another window.
    let (window, soon) = (Duration::from_secs(3), Duration::from_secs(5));
    let upload = UploadTimeouts { window, least_per_second: 1 << 20, idle: Duration::from_secs(20) };
    let dribble = |hold: &'static str| async move {
        let mock = MockServer::start().await.unwrap();
        let setup = Setup::to(&mock.url()).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]);
        let callsign = setup.timeouts(Timeouts { upload, ..Timeouts::default() }).start();
        let (upload, answer) = client::upload(&callsign.url("chat/completions"), APP);
        let answer = tokio::spawn(tokio::time::timeout(soon, answer));
        // Sends a byte a millisecond until the answer arrives.
        while upload.send(" ").await.is_ok() {
            tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
        }
        let answer = answer.await.unwrap().expect("an answer at once").unwrap().finish().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (408, "request_timeout"), "{hold}");
        assert_eq!(answer.header("connection"), "close");
    };
    tokio::join!(dribble("0"), dribble("262144"));
}
