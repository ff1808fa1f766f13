//! The timeouts of uploads, on a paused clock.

use crate::server::reset::CutSignal;
use tokio::time::Instant;

use super::idle::connect;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: callsign\r\ncontent-length: {length}\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn a_silent_upload_is_too_slow_after_30_s() {
    for sent in [0, 50_000] {
        let (mut client, ..) = connect(1 << 20);
        client.write_all(post("/upload", 100_000).as_bytes()).await.unwrap();
        client.write_all(&vec![b' '; sent]).await.unwrap();
        let start = Instant::now();
        assert!(answer(&mut client).await.ends_with("TooSlow"));
        assert_eq!(start.elapsed().as_secs(), 30, "after {sent} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn fewer_than_4_kib_per_second_are_too_slow_after_10_s() {
    let (client, ..) = connect(1 << 20);
    let (mut read, mut write) = tokio::io::split(client);
    write.write_all(post("/upload", 1 << 20).as_bytes()).await.unwrap();
    sleep(20 * SECOND).await;
    tokio::spawn(async move {
        while write.write_all(&[b' '; 4000]).await.is_ok() {
            sleep(SECOND).await;
        }
    });
    let start = Instant::now();
    assert!(answer(&mut read).await.ends_with("TooSlow"));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn single_bytes_do_not_keep_an_upload_alive() {
    let (mut client, ..) = connect(1 << 20);
    client.write_all(post("/upload", 1000).as_bytes()).await.unwrap();
    sleep(29 * SECOND).await;
    client.write_u8(b' ').await.unwrap();
    let start = Instant::now();
    assert!(answer(&mut client).await.ends_with("TooSlow"));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_upload_arrives() {
    let (mut client, ..) = connect(1 << 20);
    client.write_all(post("/upload", 100 * 4200).as_bytes()).await.unwrap();
    for _ in 0..100 {
        client.write_all(&[b' '; 4200]).await.unwrap();
        sleep(SECOND).await;
    }
    assert!(answer(&mut client).await.ends_with("420000 bytes"));
}

#[tokio::test(start_paused = true)]
async fn bursts_with_pauses_under_30_s_arrive() {
    let (mut client, ..) = connect(1 << 20);
    client.write_all(post("/upload", 5 * 50_000).as_bytes()).await.unwrap();
    for _ in 0..5 {
        client.write_all(&vec![b' '; 50_000]).await.unwrap();
        sleep(29 * SECOND).await;
    }
    assert!(answer(&mut client).await.ends_with("250000 bytes"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_stops_the_clock() {
    let (mut client, ..) = connect(64);
    client.write_all(post("/slow-reader", 1000).as_bytes()).await.unwrap();
    client.write_all(&[b' '; 1000]).await.unwrap();
    let start = Instant::now();
    assert!(answer(&mut client).await.ends_with("1000 bytes"));
    assert!(start.elapsed() > 100 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn one_timer_serves_several_uploads_in_turn() {
    let (mut client, ..) = connect(1 << 20);
    for _ in 0..20 {
        client.write_all(post("/upload", 10).as_bytes()).await.unwrap();
        sleep(7 * SECOND).await;
        client.write_all(&[b' '; 10]).await.unwrap();
        assert!(answer(&mut client).await.ends_with("10 bytes"));
    }
    client.write_all(post("/upload", 10).as_bytes()).await.unwrap();
    let start = Instant::now();
    assert!(answer(&mut client).await.ends_with("TooSlow"));
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn trailers_are_dropped() {
    let (mut client, ..) = connect(1 << 20);
    let head = "POST /upload HTTP/1.1\r\nhost: callsign\r\ntransfer-encoding: chunked\r\ntrailer: x-user\r\n\r\n";
    let answer = ask(&mut client, &format!("{head}4\r\nabcd\r\n0\r\nx-user: mallory\r\n\r\n")).await;
    assert!(answer.ends_with("4 bytes"), "{answer}");
}

#[tokio::test]
async fn an_upload_from_bytes_returns_those_bytes() {
    use http_body::Body;
    assert!(Upload::empty().is_end_stream());
    let upload = Upload::from(Bytes::from_static(b"{}"));
    assert_eq!((upload.is_end_stream(), upload.size_hint().exact()), (false, Some(2)));
    assert_eq!(upload.collect().await.unwrap().to_bytes(), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_gone() {
    use crate::server::connection::ConnectionServer;
    use crate::server::{Handler, Timeouts};
    #[derive(Clone)]
    struct UploadRecorder(mpsc::UnboundedSender<Result<usize, UploadReadError>>);
    impl Handler for UploadRecorder {
        type Body = UnsyncBoxBody<Bytes, Infallible>;
        async fn handle(&self, request: Request<Upload>, _: Peer) -> Response<Self::Body> {
            let results = self.0.clone();
            // In a separate task, because hyper drops the handler's future with the connection.
            tokio::spawn(async move { results.send(read(request.into_body(), Duration::ZERO).await) });
            std::future::pending().await
        }
    }
    let (results, mut received) = mpsc::unbounded_channel();
    let (mut client, server) = tokio::io::duplex(1024);
    let room = ConnectionServer::new(UploadRecorder(results), Timeouts::default(), sockets::never());
    let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false, shed: None };
    tokio::spawn(async move { room.serve_http(server, peer, CutSignal::default()).await });
    client.write_all(post("/", 10).as_bytes()).await.unwrap();
    client.write_all(b"half").await.unwrap();
    sleep(SECOND).await;
    drop(client);
    assert_eq!(received.recv().await.unwrap(), Err(UploadReadError::Gone));
}
