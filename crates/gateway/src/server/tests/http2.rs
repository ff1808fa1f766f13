//! The timeouts of HTTP/2 connections, on a paused clock.

use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::idle::connect;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Starts a client that sends a PING every 7 s, also while idle. The second value completes with the connection.
async fn http2_client(stream: DuplexStream) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(7 * SECOND)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

async fn fetch(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> String {
    let request = Request::get(format!("http://callsign{path}")).body(Empty::new()).unwrap();
    let body = sender.send_request(request).await.unwrap().into_body();
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_is_closed_after_15_s() {
    for sent in [&b"P"[..], b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let (mut client, ..) = connect(1024);
        client.write_all(sent).await.unwrap();
        let start = Instant::now();
        assert_eq!(rest(&mut client).await, "");
        assert_eq!(start.elapsed().as_secs(), 15, "{}", sent.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_change_the_idle_timeout_of_120_s() {
    let (client, server, _) = connect(65_536);
    let (mut sender, connection) = http2_client(client).await;
    for pause in [119, 61, 119] {
        assert_eq!(fetch(&mut sender, "/hello").await, "hello");
        sleep(pause * SECOND).await;
    }
    assert_eq!(fetch(&mut sender, "/hello").await, "hello");
    let start = Instant::now();
    // No error, because the server sent GOAWAY before it closed.
    connection.await.unwrap().unwrap();
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_has_no_deadline() {
    let (client, ..) = connect(65_536);
    let (mut sender, connection) = http2_client(client).await;
    assert_eq!(fetch(&mut sender, "/think").await, "thought");
    let start = Instant::now();
    connection.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_a_ping_is_closed() {
    let (mut client, server, _) = connect(65_536);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    client.write_all(&settings).await.unwrap();
    let start = Instant::now();
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 40, "20 s until the PING, 20 s for its answer");
}

/// Starts a client whose streams have a window of this many bytes.
async fn client_with_window(window: u32) -> SendRequest<Empty<Bytes>> {
    let (client, ..) = connect(65_536);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Requests an endless answer.
async fn flood(sender: &mut SendRequest<Empty<Bytes>>) -> hyper::body::Incoming {
    let request = Request::get("http://callsign/flood").body(Empty::new()).unwrap();
    sender.send_request(request).await.unwrap().into_body()
}

#[tokio::test(start_paused = true)]
async fn streams_without_a_window_are_cut_after_60_s_and_cost_others_nothing() {
    let mut sender = client_with_window(0).await;
    let start = Instant::now();
    let mut bodies = Vec::new();
    for _ in 0..20 {
        bodies.push(flood(&mut sender).await);
    }
    for mut body in bodies {
        let cut = body.frame().await.unwrap().unwrap_err();
        assert!(cut.is_body_write_aborted() || format!("{cut:?}").contains("CANCEL"), "{cut:?}");
    }
    assert_eq!(start.elapsed().as_secs(), 60);
    // The connection is alive: the next stream has its own time.
    assert!(flood(&mut sender).await.frame().await.unwrap().is_err());
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_stream_below_256_bytes_a_second_is_cut_and_one_above_is_not() {
    let start = Instant::now();
    let mut sender = client_with_window(100).await;
    let mut body = flood(&mut sender).await;
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.into_data().unwrap().len();
        sleep(10 * SECOND).await;
    }
    assert!(start.elapsed() < 130 * SECOND, "{:?}", start.elapsed());
    assert!(taken < 2000, "{taken}");

    let mut sender = client_with_window(16_384).await;
    let mut body = flood(&mut sender).await;
    for _ in 0..100 {
        // Two frames have 4 KiB.
        body.frame().await.unwrap().unwrap();
        sleep(5 * SECOND).await;
    }
}
