//! Tests on real sockets: keep-alive, HTTP/2 by prior knowledge, the connection limit, TLS.

use std::fs;
use std::net::SocketAddr;

use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::server::{self, ConnectionLimiter, Drain, Options, Timeouts, Tls};

/// A running server on a free port.
pub(super) struct RunningServer {
    pub(super) address: SocketAddr,
    pub(super) handler: TestHandler,
    pub(super) paths: mpsc::UnboundedReceiver<String>,
    pub(super) drain: Drain,
    pub(super) served: JoinHandle<()>,
}

pub(super) fn options(connections: usize) -> Options {
    // No reserve, so excess connections wait.
    let connection_limiter = Arc::new(ConnectionLimiter::new(connections, usize::MAX, 0, None));
    Options { timeouts: Timeouts::default(), connection_limiter, tls: None }
}

pub(super) fn start(options: Options, drain: Drain) -> RunningServer {
    let listener = TcpListener::from_std(server::bind(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (handler, paths) = TestHandler::new();
    let served = tokio::spawn(server::serve(listener, handler.clone(), Arc::new(options), drain.clone()));
    RunningServer { address, handler, paths, drain, served }
}

pub(super) fn never() -> Drain {
    Drain::new(Duration::ZERO, Duration::ZERO)
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = start(options(10), never());
    let mut client = TcpStream::connect(server.address).await.unwrap();
    for path in ["/hello", "/peer", "/hello"] {
        let answer = ask(&mut client, &get(path)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert!(ask(&mut client, &get("/peer")).await.ends_with("tls false"));
}

#[tokio::test]
async fn http2_is_understood_without_an_upgrade() {
    let server = start(options(10), never());
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let fetch = |path: &str| {
        let request = Request::get(format!("http://callsign{path}")).body(Empty::<Bytes>::new()).unwrap();
        let mut sender = sender.clone();
        async move { sender.send_request(request).await.unwrap().into_body() }
    };
    // The second answer comes while the first is still running.
    let stream = fetch("/stream").await;
    assert_eq!(fetch("/hello").await.collect().await.unwrap().to_bytes(), "hello");
    server.handler.go_on.notify_one();
    assert_eq!(stream.collect().await.unwrap().to_bytes(), "beginend");
}

#[tokio::test]
async fn a_head_beyond_64_kib_is_refused() {
    let server = start(options(10), never());
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nhost: callsign\r\nx: {}\r\n\r\n", "x".repeat(80 * 1024));
    client.write_all(long.as_bytes()).await.ok();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 431");
}

#[tokio::test]
async fn without_a_reserve_an_excess_connection_waits_for_another_to_close() {
    let mut server = start(options(1), never());
    let mut first = TcpStream::connect(server.address).await.unwrap();
    ask(&mut first, &get("/first")).await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(get("/second").as_bytes()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(server.paths.recv().await.unwrap(), "/first");
        ask(&mut first, &get("/first")).await;
    }
    drop(first);
    assert!(answer(&mut second).await.ends_with("hello"));
}

#[tokio::test]
async fn idle_listeners_do_not_block_each_others_permits() {
    let listeners = server::bind_shared(([127, 0, 0, 1], 0).into(), 3).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let options = Arc::new(options(1));
    let (handler, _paths) = TestHandler::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(server::serve(listener, handler.clone(), options.clone(), never()));
    }
    // The kernel spreads these connections over the three listeners.
    for _ in 0..30 {
        let mut client = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut client, &get("/hello")).await.ends_with("hello"));
    }
}

/// Creates TLS options with a fresh certificate, and a client that trusts it and offers `protocol`.
fn tls(protocol: &[u8]) -> (Tls, TlsConnector) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    (Tls::load(certificate, key).unwrap(), TlsConnector::from(Arc::new(config)))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

#[tokio::test]
async fn tls_speaks_http_1_and_2() {
    let (tls_options, connector) = tls(b"http/1.1");
    let server = start(Options { tls: Some(tls_options), ..options(10) }, never());
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut client = connector.connect(localhost(), stream).await.unwrap();
    assert!(ask(&mut client, &get("/peer")).await.ends_with("tls true"));
    assert!(ask(&mut client, &get("/hello")).await.ends_with("hello"));

    let (tls_options, connector) = tls(b"h2");
    let server = start(Options { tls: Some(tls_options), ..options(10) }, never());
    let stream = TcpStream::connect(server.address).await.unwrap();
    let client = connector.connect(localhost(), stream).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/peer").body(Empty::<Bytes>::new()).unwrap();
    let body = sender.send_request(request).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "tls true");
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut() {
    let timeouts = Timeouts { handshake: Duration::from_millis(50), ..Timeouts::default() };
    let server = start(Options { tls: Some(tls(b"h2").0), timeouts, ..options(1) }, never());
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(rest(&mut client).await, "");
}
