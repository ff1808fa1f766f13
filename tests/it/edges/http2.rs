//! HTTP/2: frames of cut answers, thousands of resets, floods of headers.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mock_openrouter::MockServer;
use tokio::net::TcpStream;

use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client;
use crate::support::peer::Peer;
use crate::support::proxy::{APP, APP_KEY, Callsign, Setup, callsign};
use crate::support::within;

/// Connects a client whose stream and connection windows have this size in bytes.
async fn speak(address: SocketAddr, window: u32) -> SendRequest<Full<Bytes>> {
    let socket = within("a connection", TcpStream::connect(address)).await.unwrap();
    let builder = Builder::new(TokioExecutor::new()).initial_stream_window_size(window).clone();
    let (sender, connection) = within("settings", builder.handshake(TokioIo::new(socket))).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(callsign: &Callsign, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::post(callsign.url(path)).header("authorization", format!("Bearer {APP_KEY}"));
    request.header("content-type", "application/json").body(Full::from(body.to_owned())).unwrap()
}

/// Reads an answer; returns its bytes, and true if it was cut.
async fn read(mut body: hyper::body::Incoming) -> (Vec<u8>, bool) {
    let mut came = Vec::new();
    while let Some(frame) = within("a frame", body.frame()).await {
        match frame {
            Ok(frame) => came.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => return (came, true),
        }
    }
    (came, false)
}

/// The sizes are near the client's window and the buffers on the way: at the time of the cut the bytes that callsign
/// has read are with the client, in the system's buffers, or still waiting for the window.
#[tokio::test]
async fn of_a_cut_answer_every_frame_arrives() {
    let mut cuts = 0;
    for (window, sizes) in [(65_535, 1..=20), (1_000, 1..=6), (16_000, 30..=36), (100, 3..=4)] {
        for count in sizes {
            let event = format!("data: {}\n\n", "x".repeat(count * 331 % 4999));
            let stream = chaos::chunks(&vec![event.as_str(); count]);
            let upstream = Chaos::start(When::Head, stream, Then::Close).await;
            let callsign = Setup::to(&upstream.url()).workers(1).start();
            let mut sender = speak(callsign.address(), window).await;
            for _ in 0..3 {
                let answer = sender.send_request(request(&callsign, "chat/completions", "{}"));
                let answer = within("the head", answer).await.unwrap();
                // Gives callsign time to notice the cut before the client reads.
                let _heard = tokio::time::timeout(std::time::Duration::from_millis(5), upstream.wait_left(1)).await;
                let (came, cut) = read(answer.into_body()).await;
                assert_eq!(came.len(), event.len() * count, "window {window}, {count} events of {}", event.len());
                assert!(cut, "the answer ended cleanly");
                cuts += 1;
            }
        }
    }
    println!("http/2 answers cut: {cuts}, 0 bytes lost");
}

#[tokio::test]
async fn an_uncut_answer_is_the_same_in_either_version() {
    let (mock, callsign) = callsign(&[]).await;
    for (window, model) in [(65_535, "m"), (10, "m"), (100, "mock/long-50"), (65_535, "mock/gaps")] {
        for stream in [true, false] {
            let body = format!(r#"{{"model":"{model}","stream":{stream}}}"#);
            let mut sender = speak(callsign.address(), window).await;
            let answer = within("the head", sender.send_request(request(&callsign, "messages", &body))).await.unwrap();
            let (came, cut) = read(answer.into_body()).await;
            let number = mock.begun() - 1;
            assert_eq!((came, cut), (mock.sent(number).unwrap().body.to_vec(), false), "{model} {stream}");
        }
    }
}

/// Builds frames (RFC 9113) whose header blocks use neither the dynamic table nor Huffman coding (RFC 7541).
#[derive(Default)]
struct Frames(BytesMut);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Frames {
    fn begin() -> Self {
        let mut frames = Self(BytesMut::from(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]));
        frames.push(SETTINGS, 0, 0, b"");
        frames
    }

    fn push(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.put_uint(payload.len() as u64, 3);
        self.0.put_slice(&[kind, flags]);
        self.0.put_u32(stream);
        self.0.put_slice(payload);
    }
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.put_u8(0);
        for text in [name, value] {
            // A prefix integer of seven bits (RFC 7541, section 5.1).
            if text.len() < 127 {
                block.put_slice(&[u8::try_from(text.len()).unwrap()]);
            } else {
                block.put_u8(127);
                let mut rest = text.len() - 127;
                while rest >= 128 {
                    block.put_u8(u8::try_from(rest % 128 + 128).unwrap());
                    rest /= 128;
                }
                block.put_u8(u8::try_from(rest).unwrap());
            }
            block.put_slice(text.as_bytes());
        }
    }
    block
}

fn head<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut head = vec![(":method", method), (":scheme", "http"), (":authority", "callsign"), (":path", path)];
    head.push(("authorization", "Bearer sk-cs-a-key-of-one-app-0123456789"));
    head.push(("content-type", "application/json"));
    head
}

async fn assert_served(callsign: &Callsign) {
    let answer = client::post(&callsign.url("chat/completions"), APP, r#"{"model":"m"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.cut), (200, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_by_the_thousand_harm_nobody_else() {
    const RESETS: u32 = 20_000;
    for hold in ["0", "262144"] {
        let mock = MockServer::start().await.unwrap();
        let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).workers(1).start();
        let block = block(&head("POST", "/v1/chat/completions"));
        let mut ended = 0;
        // All at once, and each only after callsign has read the one before.
        for paced in [false, true] {
            let mut peer = Peer::connect(callsign.address()).await;
            let mut frames = Frames::begin();
            for number in 0..if paced { 300 } else { RESETS } {
                let stream = number * 2 + 1;
                frames.push(HEADERS, END_HEADERS, stream, &block);
                frames.push(DATA, END_STREAM, stream, br#"{"model":"mock/hang"}"#);
                if paced {
                    frames.push(PING, 0, 0, &[7; 8]);
                    if peer.send(&frames.0.split()).await.is_err() {
                        break;
                    }
                    within("the request", mock.wait_begun(number as usize + 1)).await;
                }
                frames.push(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            }
            let (sent, ()) = tokio::join!(peer.send(&frames.0), async {
                futures_util::future::join_all((0..5).map(|_| assert_served(&callsign))).await;
            });
            ended += usize::from(sent.is_err());
            assert_served(&callsign).await;
            drop(peer);
        }
        // Requests that reached the upstream are cancelled there, and none is left.
        let served = 12;
        let hanging = mock.begun() - served;
        within("the cancellations", mock.wait_cancelled(hanging)).await;
        assert!(hanging <= 300 + 128 + 21, "{hanging} got through");
        assert_eq!(mock.cancelled(), hanging, "nobody else was cancelled");
        println!(
            "rapid resets: {RESETS} + 300, {hanging} reached the upstream and were given up, {ended} cut in writing"
        );
    }
}

#[tokio::test]
async fn floods_of_headers_end_the_connection_or_the_stream() {
    let (mock, callsign) = callsign(&[]).await;
    // Too much for one request.
    let long = "x".repeat(1000);
    let names: Vec<String> = (0..100).map(|number| format!("x-{number}")).collect();
    let mut fields = head("POST", "/v1/chat/completions");
    fields.extend(names.iter().map(|name| (name.as_str(), long.as_str())));
    let mut sender = speak(callsign.address(), 65_535).await;
    let mut big = request(&callsign, "chat/completions", "{}");
    for (name, value) in fields.iter().skip(6) {
        big.headers_mut().insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let refused = within("an answer", sender.send_request(big)).await;
    assert!(refused.is_err() || refused.unwrap().status() == 431);

    // A head without an end, of valid frames.
    let mut peer = Peer::connect(callsign.address()).await;
    let mut frames = Frames::begin();
    let block = block(&fields);
    let mut pieces = block.chunks(16_000);
    frames.push(HEADERS, 0, 1, pieces.next().unwrap());
    for number in 0..5_000 {
        frames.push(CONTINUATION, 0, 1, pieces.next().unwrap_or(if number % 2 == 0 { b"" } else { b"\x00\x01x\x01y" }));
    }
    let _closed = peer.send(&frames.0).await;
    let said = peer.read_to_close().await;
    assert!(said.len() < 1000, "{} bytes", said.len());
    assert_eq!(mock.begun(), 0);
    assert_served(&callsign).await;
}
