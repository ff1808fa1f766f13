//! A client that sends one request after the other on one connection, and reports each finished answer.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

/// Sends requests until the connection ends. Sends each message id and the time of its answer's last byte to `ends`.
pub(crate) async fn run(address: SocketAddr, name: String, ends: UnboundedSender<(String, Instant)>) {
    let Ok(socket) = TcpStream::connect(address).await else { return };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(socket)).await else { return };
    tokio::spawn(connection);
    for number in 0.. {
        let message = format!("{name}-{number}");
        // Half of the answers are streams.
        let body = format!(r#"{{"model":"mock/cost-7","stream":{},"messages":[]}}"#, number % 2 == 0);
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/chat/completions")
            .header("host", "localhost")
            .header("authorization", concat!("Bearer ", "sk-cs-a-key-of-one-app-0123456789"))
            .header("content-type", "application/json")
            .header("x-user-id", name.as_str())
            .header("x-message-id", message.as_str())
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let Ok(answer) = sender.send_request(request).await else { return };
        let status = answer.status();
        // A body that is cut is an error.
        let Ok(_) = answer.into_body().collect().await else { return };
        assert_eq!(status, 200);
        if ends.send((message, Instant::now())).is_err() {
            return;
        }
    }
}
