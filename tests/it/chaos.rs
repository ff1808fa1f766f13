//! Tests of the broken upstreams in `support/chaos.rs`: each breaks at the byte that it promises.

use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client;
use crate::support::peer::Peer;

#[tokio::test]
async fn nobody_listens_at_a_refusing_url() {
    let url = Chaos::refusing_url();
    let address: std::net::SocketAddr =
        url.strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap();
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_silent_one_reads_and_notices_who_leaves() {
    let upstream = Chaos::silent().await;
    let mut peer = Peer::connect(upstream.address()).await;
    peer.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    upstream.wait_bytes(18).await;
    assert_eq!((upstream.accepted(), upstream.received()), (1, b"GET / HTTP/1.1\r\n\r\n".to_vec()));
    drop(peer);
    upstream.wait_left(1).await;
}

#[tokio::test]
async fn a_close_comes_after_the_last_byte() {
    let stream = chaos::chunks(&["data: one\n\n", "data: two\n\n"]);
    let cut = stream.len() - 7;
    let upstream = Chaos::start(When::Head, &stream[..cut], Then::Close).await;
    let answer = client::post(&upstream.url(), &[], "{}").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "data: one\n\ndata: ".to_owned()));
    assert!(answer.cut.is_some());

    let whole = Chaos::start(When::Bytes(10), chaos::answer("{}"), Then::Close).await;
    let answer = client::post(&whole.url(), &[], "{}").await;
    assert_eq!((answer.text(), answer.cut), ("{}".to_owned(), None));
}

#[tokio::test]
async fn a_reset_is_no_clean_end() {
    let upstream = Chaos::start(When::Head, "", Then::Reset).await;
    let error = client::open(http::Method::POST, &upstream.url(), &[], "{}").await.unwrap_err();
    assert!(!error.is_incomplete_message(), "{error:?}");
}

#[tokio::test]
async fn a_stall_keeps_the_connection() {
    let upstream = Chaos::start(When::Connected, "HTTP/1.1 200 OK\r\n", Then::Stall).await;
    let mut peer = Peer::connect(upstream.address()).await;
    peer.read_until(b"OK\r\n").await;
    peer.send(b"still here").await.unwrap();
    upstream.wait_bytes(10).await;
}

#[tokio::test]
async fn an_oversized_head_is_as_large_as_it_says() {
    let upstream = Chaos::start(When::Head, chaos::oversized_head(1 << 20), Then::Close).await;
    let error = client::open(http::Method::POST, &upstream.url(), &[], "{}").await.unwrap_err();
    assert!(error.is_parse_too_large() || error.is_parse(), "{error:?}");
}
