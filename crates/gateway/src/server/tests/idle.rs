//! The timeouts of HTTP/1.1 connections, on a paused clock.

use crate::server::reset::CutSignal;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::server::connection::ConnectionServer;
use crate::server::timeouts::{DownloadTimeouts, Timeouts, WriteTimeout};

const SECOND: Duration = Duration::from_secs(1);

/// Creates an in-memory connection that buffers `capacity` bytes in each direction, and the server's task for it.
pub(super) fn connect(capacity: usize) -> (DuplexStream, JoinHandle<()>, TestHandler) {
    connect_with(capacity, Timeouts::default())
}

fn connect_with(capacity: usize, timeouts: Timeouts) -> (DuplexStream, JoinHandle<()>, TestHandler) {
    let (client, server) = tokio::io::duplex(capacity);
    let (handler, _) = TestHandler::new();
    let (room, server) = (
        ConnectionServer::new(handler.clone(), timeouts, sockets::never()),
        WriteTimeout::new(server, timeouts.download),
    );
    let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false, shed: None };
    (client, tokio::spawn(async move { room.serve_http(server, peer, CutSignal::default()).await }), handler)
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_10_s() {
    let (mut client, ..) = connect(1024);
    let start = Instant::now();
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_head_may_take_15_s_from_its_first_byte() {
    let (client, ..) = connect(1024);
    let (mut read, mut write) = tokio::io::split(client);
    sleep(9 * SECOND).await;
    let start = Instant::now();
    tokio::spawn(async move {
        for byte in get("/hello").into_bytes() {
            write.write_u8(byte).await.ok();
            sleep(SECOND).await;
        }
    });
    assert_eq!(rest(&mut read).await, "");
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_head_in_pieces_is_served_in_time() {
    let (mut client, ..) = connect(1024);
    let request = get("/hello");
    let (first, second) = request.split_at(20);
    for _ in 0..3 {
        client.write_all(first.as_bytes()).await.unwrap();
        sleep(14 * SECOND).await;
        assert!(ask(&mut client, second).await.ends_with("hello"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_for_120_s_after_its_last_response() {
    let (mut client, ..) = connect(1024);
    for pause in [119, 61, 119] {
        assert!(ask(&mut client, &get("/hello")).await.ends_with("hello"));
        sleep(pause * SECOND).await;
    }
    assert!(ask(&mut client, &get("/hello")).await.ends_with("hello"));
    let start = Instant::now();
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_has_no_deadline_and_idle_time_begins_after_it() {
    let (mut client, ..) = connect(1024);
    assert!(ask(&mut client, &get("/think")).await.ends_with("thought"));
    let start = Instant::now();
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_half_head_after_a_response_is_closed_like_a_first_one() {
    let (mut client, ..) = connect(1024);
    assert!(ask(&mut client, &get("/hello")).await.ends_with("hello"));
    sleep(100 * SECOND).await;
    client.write_all(b"GET /he").await.unwrap();
    let start = Instant::now();
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_for_60_s_is_cut() {
    let (mut client, server, _) = connect_with(1024, without_least_rate());
    client.write_all(get("/flood").as_bytes()).await.unwrap();
    // Each byte that the client takes restarts the 60 s.
    for _ in 0..3 {
        client.read_exact(&mut [0; 1024]).await.unwrap();
        sleep(59 * SECOND).await;
    }
    client.read_exact(&mut [0; 1024]).await.unwrap();
    let start = Instant::now();
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_below_256_bytes_a_second_is_cut_and_one_above_is_not() {
    for (bytes, least, most) in [(100, 60, 130), (5000, 3600, 3600)] {
        let (mut client, server, _) = connect(1024);
        client.write_all(get("/flood").as_bytes()).await.unwrap();
        let start = Instant::now();
        while !server.is_finished() && start.elapsed() < 3600 * SECOND {
            client.read_exact(&mut vec![0; bytes]).await.unwrap();
            sleep(10 * SECOND).await;
        }
        let seconds = start.elapsed().as_secs();
        assert!((least..=most).contains(&seconds), "{bytes}: {seconds}");
    }
}

/// Returns timeouts without a least rate of downloads.
fn without_least_rate() -> Timeouts {
    let usual = Timeouts::default();
    Timeouts { download: DownloadTimeouts { least_per_second: 0, ..usual.download }, ..usual }
}

/// Reads the response to `/stream` eight bytes at a time, with a `pause` before each read.
async fn read_slowly(client: &mut DuplexStream, handler: &TestHandler, pause: Duration) {
    client.write_all(get("/stream").as_bytes()).await.unwrap();
    handler.go_on.notify_one();
    let mut response = Vec::new();
    while !response.ends_with(b"0\r\n\r\n") {
        sleep(pause).await;
        let mut chunk = [0; 8];
        let read = client.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "closed too early");
        response.extend_from_slice(&chunk[..read]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_client_still_reads_is_not_idle() {
    let (mut client, _, handler) = connect_with(16, Timeouts { idle: 40 * SECOND, ..without_least_rate() });
    read_slowly(&mut client, &handler, 50 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn idle_time_begins_when_the_client_has_read_the_response() {
    let (mut client, _, handler) = connect_with(16, without_least_rate());
    read_slowly(&mut client, &handler, 30 * SECOND).await;
    assert!(ask(&mut client, &get("/hello")).await.ends_with("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_request() {
    let (mut client, server, _) = connect(1024);
    client.write_all(get("/think").as_bytes()).await.unwrap();
    sleep(SECOND).await;
    let start = Instant::now();
    drop(client);
    server.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
