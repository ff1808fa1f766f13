//! Nobody takes what all share: while one caller holds all that it can hold of a pool, the requests of others complete
//! (`docs/SPEC.md#fair-shares`).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_compression::tokio::bufread::GzipEncoder;
use bytes::Bytes;
use callsign_gateway::server::{DownloadTimeouts, Timeouts};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::client::{self, Answer, Streaming, Upload};
use crate::support::peer::Peer;
use crate::support::program::{Server, file};
use crate::support::proxy::{ALICE, ALICE_KEY, APP, APP_KEY, Callsign, callsign};
use crate::support::within;

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;
const MALLORY: (&str, &str) = ("x-user-id", "mallory");

/// The head of a gzip member.
const GZIP_HEAD: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3];

async fn gzip(body: &'static str) -> Vec<u8> {
    let mut packed = Vec::new();
    GzipEncoder::new(body.as_bytes()).read_to_end(&mut packed).await.unwrap();
    packed
}

/// An upload that was begun and is not continued.
struct Held {
    _upload: Upload,
    answer: JoinHandle<Result<Streaming, hyper::Error>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

async fn hold(callsign: &Callsign, headers: &[(&str, &str)], begin: &'static [u8]) -> Held {
    let (upload, answer) = client::upload(&callsign.url("chat/completions"), headers);
    let answer = tokio::spawn(answer);
    upload.send(begin).await.unwrap();
    Held { _upload: upload, answer }
}

/// Waits until callsign runs this many requests.
async fn until_running(callsign: &Callsign, count: u64) {
    within("the requests", async { while callsign.metric("callsign_in_flight").await != count {} }).await;
}

async fn ask(callsign: &Callsign, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    client::post(&callsign.url("chat/completions"), headers, body).await
}

#[tokio::test]
async fn slow_compressed_uploads_of_one_caller_cost_others_nothing() {
    let (_mock, callsign) = callsign(&[]).await;
    let of = |coding| [APP, &[MALLORY, ("content-encoding", coding)]].concat();
    let mut held = Vec::new();
    // 16 used to be all decoders.
    for number in 1..=16 {
        held.push(hold(&callsign, &of("gzip"), GZIP_HEAD).await);
        until_running(&callsign, number).await;
    }
    // Brotli's decoder takes the most memory. Half of the pool has room for 7 beside those of gzip.
    for number in 17..=23 {
        held.push(hold(&callsign, &of("br"), b"\x0b").await);
        until_running(&callsign, number).await;
    }
    let refused = ask(&callsign, &of("br"), &b"\x0b"[..]).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (429, "rate_limited"));
    assert_eq!(callsign.metric(r#"callsign_shed_total{reason="caller_decoders"}"#).await, 1);
    for user in ["ada", "bob"] {
        let headers = [APP, &[("x-user-id", user), ("content-encoding", "gzip")]].concat();
        for _ in 0..12 {
            assert_eq!(ask(&callsign, &headers, gzip(PLAIN).await).await.status, 200);
        }
    }
    assert!(held.iter().all(|held| !held.answer.is_finished()), "the holder still holds");
    assert_eq!(callsign.metric(r#"callsign_shed_total{reason="decoders"}"#).await, 0);
}

#[tokio::test]
async fn slow_uploads_of_one_caller_leave_others_the_memory_for_buffers() {
    let memory = [("CALLSIGN_BUFFER_TOTAL_BYTES", "4096"), ("CALLSIGN_BUFFER_BODY_BYTES", "1024")];
    let (mock, callsign) = callsign(&memory).await;
    let mallory = [APP, &[MALLORY]].concat();
    let mut held = Vec::new();
    for number in 1..=8 {
        held.push(hold(&callsign, &mallory, br#"{"model":"#).await);
        until_running(&callsign, number).await;
    }
    // Two uploads are buffered, which is half of the memory. The others are streamed.
    within("the streamed uploads", mock.wait_begun(6)).await;
    // A body that is buffered is checked before it leaves.
    let begun = mock.begun();
    for _ in 0..5 {
        assert_eq!(ask(&callsign, ALICE, r#"{"model":"m" "#).await.status, 400);
    }
    assert_eq!(mock.begun(), begun, "a body was streamed");
    assert_eq!(ask(&callsign, ALICE, PLAIN).await.status, 200);
    assert!(held.iter().all(|held| !held.answer.is_finished()), "the holder still holds");
}

/// Connects from this address of the loopback network.
async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    within("a connection", socket.connect(to)).await.unwrap()
}

#[tokio::test]
async fn two_addresses_do_not_fill_all_connections() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_MAX_CONNECTIONS", "32")]).await;
    let mut held = Vec::new();
    // Each address takes three quarters of what is free.
    for (last, share) in [(2, 24), (3, 6)] {
        for _ in 0..share + 8 {
            held.push(connect_from(Ipv4Addr::new(127, 0, 0, last), callsign.address()).await);
        }
    }
    // Their excess connections wait for a refusal: 30 have a place, 16 a place of the reserve.
    within("46", async { while callsign.metric("callsign_connections").await != 46 {} }).await;
    let request = format!("GET /v1/models HTTP/1.1\r\nhost: callsign\r\nauthorization: Bearer {APP_KEY}\r\n\r\n");
    let mut other = Peer::of(connect_from(Ipv4Addr::new(127, 0, 0, 4), callsign.address()).await);
    for _ in 0..5 {
        other.send(request.as_bytes()).await.unwrap();
        other.read_until(b"\r\n\r\n").await;
    }
    let said = String::from_utf8_lossy(other.read_until(b"200 OK").await).into_owned();
    assert!(!said.contains(" 503 "), "{said}");
    drop(held);
}

/// Connects an HTTP/2 client whose streams have this window in bytes.
async fn speak(address: SocketAddr, window: u32) -> SendRequest<Full<Bytes>> {
    let socket = within("a connection", TcpStream::connect(address)).await.unwrap();
    let builder = Builder::new(TokioExecutor::new()).initial_stream_window_size(window).clone();
    let (sender, connection) = within("settings", builder.handshake(TokioIo::new(socket))).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn streams_that_open_no_window_are_cut_and_their_upstream_answers_too() {
    let mock = mock_openrouter::MockServer::start().await.unwrap();
    let download = DownloadTimeouts { idle: Duration::from_millis(300), ..DownloadTimeouts::default() };
    let callsign = crate::support::proxy::Setup::to(&mock.url())
        .set(&[("CALLSIGN_MAX_IN_FLIGHT", "64"), ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "32")])
        .timeouts(Timeouts { download, ..Timeouts::default() })
        .start();
    let mut sender = speak(callsign.address(), 0).await;
    let body = r#"{"model":"mock/gate","stream":true,"messages":[]}"#;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let request = Request::post(callsign.url("chat/completions"))
            .header("authorization", format!("Bearer {APP_KEY}"))
            .header("content-type", "application/json")
            .header(MALLORY.0, MALLORY.1)
            .body(Full::from(body))
            .unwrap();
        answers.push(within("a head", sender.send_request(request)).await.unwrap());
    }
    // The gate opens for one event each, which then waits for the window.
    mock.release(20);
    for answer in answers {
        let mut body = answer.into_body();
        assert!(within("the cut", body.frame()).await.unwrap().is_err());
    }
    within("the upstream's answers to be cancelled", mock.wait_cancelled(20)).await;
    until_running(&callsign, 0).await;
}

type FloodBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Answers `flood` requests without end and others with `{}`.
async fn flood_or_answer(request: Request<hyper::body::Incoming>) -> Result<Response<FloodBody>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let floods = memchr::memmem::find(&body, b"flood").is_some();
    let body = if floods {
        let chunk = Bytes::from_static(&[b'x'; 16_384]);
        let frames = futures_util::stream::repeat_with(move || Ok(Frame::data(chunk.clone())));
        FloodBody::new(StreamBody::new(frames))
    } else {
        FloodBody::new(Full::from("{}"))
    };
    Ok(Response::new(body))
}

/// Starts an upstream that speaks HTTP/2 over TLS with 100 streams a connection. Returns its port and certificate.
async fn http2_upstream() -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let service = hyper::service::service_fn(flood_or_answer);
                let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                http.max_concurrent_streams(100);
                let _ended = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test]
async fn readers_that_stall_do_not_stall_others_on_an_http2_upstream() {
    let (port, certificate) = http2_upstream().await;
    let roots = file(&certificate);
    let settings = file("[upstream]\nhttp2 = true\n");
    let url = format!("https://localhost:{port}/api/v1");
    let users = format!("alice={ALICE_KEY}");
    let server = Server::start(
        "serve",
        &[
            ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key"),
            ("CALLSIGN_APP_KEY", APP_KEY),
            ("CALLSIGN_USER_KEYS", &users),
            ("CALLSIGN_UPSTREAM_URL", &url),
            ("CALLSIGN_CONFIG", settings.path().to_str().unwrap()),
            ("SSL_CERT_FILE", roots.path().to_str().unwrap()),
            ("CALLSIGN_LOG", "warn"),
        ],
    )
    .await;
    let chat = format!("http://{}/v1/chat/completions", server.data);
    let flood = r#"{"model":"flood"}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: callsign\r\nauthorization: Bearer {APP_KEY}\r\nx-user-id: mallory\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{flood}",
        flood.len()
    );
    // On each of two threads more than the upstream's streams of one connection, and none of them is read.
    let mut stalled = Vec::new();
    for _ in 0..240 {
        let mut peer = Peer::connect_narrow(server.data).await;
        peer.send(head.as_bytes()).await.unwrap();
        peer.read_until(b"200 OK").await;
        stalled.push(peer);
    }
    for _ in 0..30 {
        let answer = client::post(&chat, ALICE, PLAIN).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "{}"));
    }
    let metrics = client::get(&format!("http://{}/metrics", server.admin.unwrap()), &[]).await.text();
    assert!(metrics.contains("callsign_in_flight 240\n"), "the holders still hold: {metrics}");
    drop(stalled);
}
