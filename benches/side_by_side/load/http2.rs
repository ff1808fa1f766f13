//! Clients of HTTP/2 without TLS: streams that share a few connections.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Figures, micros};
use crate::peers::Peer;
use crate::workload::Workload;

/// Number of streams on a connection.
const STREAMS: usize = 8;

/// As [`super::load`].
pub(super) async fn load(
    peer: &Peer,
    workload: &Workload,
    due: impl Fn(usize, usize) -> Option<Instant> + Clone + Send + Sync + 'static,
) -> Figures {
    let request = workload.http2_request(&peer.credential);
    let mut connections = Vec::new();
    for _ in 0..workload.connections.div_ceil(STREAMS) {
        connections.push(connect(peer).await);
    }
    let (mut tasks, began) = (JoinSet::new(), Instant::now());
    for number in 0..workload.connections {
        let (due, request, sender) = (due.clone(), request.clone(), connections[number / STREAMS].clone());
        tasks.spawn(async move { stream(sender, request, |sent| due(number, sent)).await });
    }
    Figures::gather(tasks, began).await
}

async fn connect(peer: &Peer) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(peer.listen.http2).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn stream(
    mut sender: SendRequest<Full<Bytes>>,
    request: http::Request<Full<Bytes>>,
    due: impl Fn(usize) -> Option<Instant>,
) -> Figures {
    let (mut figures, mut sent) = (Figures::default(), 0);
    while let Some(at) = due(sent) {
        if at > Instant::now() {
            tokio::time::sleep_until(at.into()).await;
        }
        sender.ready().await.unwrap();
        let mut answer = sender.send_request(request.clone()).await.unwrap();
        assert_eq!(answer.status(), 200);
        figures.first_bytes.push(micros(at.elapsed()));
        while let Some(frame) = answer.frame().await {
            frame.unwrap();
        }
        figures.latencies.push(micros(at.elapsed()));
        figures.requests += 1;
        sent += 1;
    }
    figures
}
