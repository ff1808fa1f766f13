//! Tests of the server from a client's side: one handler for all tests, and raw bytes on the wire.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::{Handler, Peer, Upload, UploadReadError};

mod drain;
mod http2;
mod idle;
mod sockets;
mod upload;

/// A handler that answers by path.
#[derive(Clone)]
struct TestHandler {
    /// Lets `/stream` continue.
    go_on: Arc<Notify>,
    /// Receives the path of every request.
    paths: mpsc::UnboundedSender<String>,
}

impl TestHandler {
    fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (paths, heard) = mpsc::unbounded_channel();
        (Self { go_on: Arc::new(Notify::new()), paths }, heard)
    }
}

impl Handler for TestHandler {
    type Body = UnsyncBoxBody<Bytes, Infallible>;

    async fn handle(&self, request: Request<Upload>, peer: Peer) -> Response<Self::Body> {
        let path = request.uri().path().to_owned();
        self.paths.send(path.clone()).ok();
        match path.as_str() {
            "/peer" => text(format!("tls {}", peer.tls)),
            "/shed" => text(format!("{:?}", peer.shed)),
            "/upload" => upload_result(read(request.into_body(), Duration::ZERO).await),
            "/slow-reader" => upload_result(read(request.into_body(), Duration::from_secs(100)).await),
            "/think" => {
                sleep(Duration::from_mins(10)).await;
                text("thought")
            }
            "/stream" => Response::new(self.stream()),
            "/flood" => Response::new(flood()),
            _ => text("hello"),
        }
    }
}

impl TestHandler {
    /// A body of `begin`, and of `end` once the test continues it.
    fn stream(&self) -> UnsyncBoxBody<Bytes, Infallible> {
        let (chunks, mut body) = mpsc::channel::<&'static str>(1);
        let go_on = self.go_on.clone();
        tokio::spawn(async move {
            chunks.send("begin").await.ok();
            go_on.notified().await;
            chunks.send("end").await.ok();
        });
        let frames = futures_util::stream::poll_fn(move |cx| {
            body.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
        });
        UnsyncBoxBody::new(StreamBody::new(frames))
    }
}

/// A body that never ends.
fn flood() -> UnsyncBoxBody<Bytes, Infallible> {
    let chunk = Bytes::from_static(&[b'x'; 4096]);
    UnsyncBoxBody::new(StreamBody::new(futures_util::stream::repeat_with(move || Ok(Frame::data(chunk.clone())))))
}

fn text(text: impl Into<Bytes>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    Response::new(UnsyncBoxBody::new(Full::new(text.into())))
}

fn upload_result(read: Result<usize, UploadReadError>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    match read {
        Ok(bytes) => text(format!("{bytes} bytes")),
        Err(error) => {
            let mut response = text(format!("{error:?}"));
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
            response
        }
    }
}

/// Counts the bytes of a body, with a pause after every chunk.
async fn read(mut upload: Upload, pause: Duration) -> Result<usize, UploadReadError> {
    let mut bytes = 0;
    while let Some(frame) = upload.frame().await {
        bytes += frame?.into_data().expect("trailers are dropped").len();
        sleep(pause).await;
    }
    Ok(bytes)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: callsign\r\n\r\n")
}

/// Sends `request` and returns one response, head and body. The response must have a `content-length`.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let head = until(stream, "\r\n\r\n").await;
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split_once("\r\n"));
    let mut body = vec![0; length.expect("a length").0.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head + std::str::from_utf8(&body).unwrap()
}

/// Reads up to `end`, included.
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// Reads until the server closes the connection, cleanly or not.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.ok();
    String::from_utf8(read).unwrap()
}
