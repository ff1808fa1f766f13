//! A client that sends requests of many costs and leaves some of them early.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::nodes::{APP_KEY, Nodes};
use crate::{REQUESTS_PER_FAULT, random};

/// Pause after a refusal or a broken connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The clients' results, by message id.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<String, End>>);

/// The end of a request as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole answer arrived.
    Complete,
    /// The client left.
    Left,
    /// callsign refused the request.
    Refused,
    /// The connection broke.
    Broken,
}

impl Seen {
    pub(crate) fn count(&self, wanted: End) -> usize {
        self.0.lock().unwrap().values().filter(|end| **end == wanted).count()
    }

    pub(crate) fn of(&self, message: &str) -> Option<End> {
        self.0.lock().unwrap().get(message).copied()
    }

    pub(crate) fn completed(&self) -> Vec<String> {
        let ends = self.0.lock().unwrap();
        ends.iter().filter(|(_, end)| **end == End::Complete).map(|(message, _)| message.clone()).collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [complete, left, refused, broken] =
            [End::Complete, End::Left, End::Refused, End::Broken].map(|end| self.count(end));
        write!(f, "{complete} complete, {left} left early, {refused} refused, {broken} broken off")
    }
}

/// The number of requests that all clients together have begun, and the faults that are due at some of these numbers.
#[derive(Debug)]
pub(crate) struct Progress {
    next: AtomicUsize,
    requests: usize,
    fault_due: mpsc::UnboundedSender<()>,
}

impl Progress {
    /// Clients send `requests` requests. Once in [`REQUESTS_PER_FAULT`] of them, a message in `fault_due` asks for a fault.
    pub(crate) fn new(requests: usize, fault_due: mpsc::UnboundedSender<()>) -> Self {
        Self { next: AtomicUsize::new(0), requests, fault_due }
    }

    /// Returns the number of the next request, or `None` if all are sent.
    fn next(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.requests {
            return None;
        }
        if number % REQUESTS_PER_FAULT == REQUESTS_PER_FAULT / 2 {
            self.fault_due.send(()).unwrap();
        }
        Some(number)
    }
}

/// Sends requests until all are sent.
pub(crate) async fn run(nodes: Arc<Nodes>, seen: Arc<Seen>, progress: Arc<Progress>) {
    while let Some(number) = progress.next() {
        let end = tokio::time::timeout(Duration::from_mins(1), one(&nodes, number)).await;
        let end = end.unwrap_or_else(|_| panic!("request {number} does not end"));
        seen.0.lock().unwrap().insert(message(number), end);
        if matches!(end, End::Refused | End::Broken) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn message(number: usize) -> String {
    format!("message-{number}")
}

/// Sends one request. A tenth of the clients leaves: before the head of an answer, or within a stream.
async fn one(nodes: &Nodes, number: usize) -> End {
    let leaves = random().is_multiple_of(10);
    let streams = random().is_multiple_of(2);
    // The model of a sum is bounded in number; the costs still differ enough to find a swapped one.
    let cost = 1 + random() % 97;
    let behaviour = match (leaves, random() % 20) {
        (true, _) => "gaps+",
        (false, 0) => "no-usage+",
        (false, 1) => "late-record-1+no-usage+",
        (false, 2) => "finish-error+",
        (false, 3) => "start-error+",
        (false, 4) => "cut-after-1+",
        _ => "",
    };
    let body = format!(
        r#"{{"model":"mock/{behaviour}cost-{cost}","stream":{streams},"messages":[{{"role":"user","content":"x"}}]}}"#
    );
    let request = Request::post("/v1/chat/completions")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {APP_KEY}"))
        .header("content-type", "application/json")
        .header("x-user-id", format!("user-{}", number % 50))
        .header("x-message-id", message(number))
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let Ok(socket) = TcpStream::connect(nodes.any()).await else { return End::Broken };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(socket)).await else { return End::Broken };
    let connection = tokio::spawn(connection);
    let end = answer(&mut sender, request, leaves, streams).await;
    // Closes the socket, so that callsign sees that the client has left.
    connection.abort();
    end
}

async fn answer(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    leaves: bool,
    streams: bool,
) -> End {
    let head = sender.send_request(request);
    let head = if leaves && !streams {
        // Before or after the head, by chance.
        tokio::select! {
            head = head => head,
            () = tokio::time::sleep(Duration::from_millis(random() % 20)) => return End::Left,
        }
    } else {
        head.await
    };
    let Ok(head) = head else { return End::Broken };
    if head.headers().contains_key("x-callsign-error") {
        return End::Refused;
    }
    assert_eq!(head.status(), 200);
    let mut body = head.into_body();
    let mut first = true;
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return End::Broken;
        }
        if leaves && first {
            return End::Left;
        }
        first = false;
    }
    End::Complete
}
