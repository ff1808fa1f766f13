//! The drain from a client's side, on real sockets.

use crate::server::reset::CutSignal;
use tokio::net::TcpStream;

use super::sockets::{options, start};
use super::*;
use crate::server::connection::ConnectionServer;
use crate::server::{Drain, Timeouts};

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn running_streams_finish_and_idle_connections_close() {
    let server = start(options(10), Drain::new(Duration::ZERO, LONG));
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    ask(&mut idle, &get("/hello")).await;
    let mut running = TcpStream::connect(server.address).await.unwrap();
    running.write_all(get("/stream").as_bytes()).await.unwrap();
    until(&mut running, "begin\r\n").await;

    server.drain.trigger();
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
    server.handler.go_on.notify_one();
    assert!(rest(&mut running).await.ends_with("end\r\n0\r\n\r\n"));
    server.served.await.unwrap();
}

#[tokio::test]
async fn new_connections_are_served_during_the_delay() {
    let server = start(options(10), Drain::new(LONG, LONG));
    let mut old = TcpStream::connect(server.address).await.unwrap();
    ask(&mut old, &get("/hello")).await;
    server.drain.trigger();
    assert!(server.drain.is_draining());
    for _ in 0..3 {
        let mut new = TcpStream::connect(server.address).await.unwrap();
        assert!(ask(&mut new, &get("/hello")).await.ends_with("hello"));
        assert!(ask(&mut old, &get("/hello")).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn the_deadline_cuts_what_still_runs() {
    let server = start(options(10), Drain::new(Duration::ZERO, Duration::from_millis(50)));
    let mut running = TcpStream::connect(server.address).await.unwrap();
    running.write_all(get("/stream").as_bytes()).await.unwrap();
    until(&mut running, "begin\r\n").await;
    server.drain.trigger();
    assert_eq!(rest(&mut running).await, "", "the stream ends without a final chunk");
    server.served.await.unwrap();
}

#[tokio::test]
async fn a_second_trigger_stops_at_once() {
    let server = start(options(10), Drain::new(LONG, LONG));
    let mut running = TcpStream::connect(server.address).await.unwrap();
    running.write_all(get("/stream").as_bytes()).await.unwrap();
    until(&mut running, "begin\r\n").await;
    server.drain.trigger();
    server.drain.trigger();
    assert_eq!(rest(&mut running).await, "");
    server.served.await.unwrap();
}

#[tokio::test]
async fn a_request_in_the_listeners_queue_is_answered() {
    let server = start(options(10), Drain::new(Duration::ZERO, LONG));
    // No connection is accepted before the trigger: this test runs on one thread and has not yielded to the server.
    let mut waiting = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut waiting, get("/hello").as_bytes()).unwrap();
    server.drain.trigger();
    waiting.set_nonblocking(true).unwrap();
    let mut waiting = TcpStream::from_std(waiting).unwrap();
    assert!(rest(&mut waiting).await.ends_with("hello"));
    server.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_after_half_of_the_drain_is_marked_to_be_refused() {
    let (handler, _paths) = TestHandler::new();
    let drain = Drain::new(Duration::from_secs(5), Duration::from_secs(20));
    let room = Arc::new(ConnectionServer::new(handler, Timeouts::default(), drain.clone()));
    drain.trigger();
    for (after, shed) in [(5, "None"), (4, "None"), (1, "Some(Draining)"), (9, "Some(Draining)")] {
        sleep(Duration::from_secs(after)).await;
        room.close();
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(get("/shed").as_bytes()).await.unwrap();
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false, shed: None };
        let room = room.clone();
        tokio::spawn(async move { room.serve_http(server, peer, CutSignal::default()).await });
        let response = rest(&mut client).await;
        assert!(response.ends_with(shed), "{response}");
    }
}
