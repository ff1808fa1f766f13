//! Broken upstreams: raw sockets that misbehave at an exact byte.
//!
//! These produce faults that an HTTP server cannot. Valid behaviour comes from `mock_openrouter`, steered by the
//! model's name.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::within;

/// Builds a complete answer: status line, `content-length`, body.
pub(crate) fn answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Builds the head of a chunked stream and each piece as one HTTP chunk, without the last chunk.
pub(crate) fn chunks(pieces: &[&str]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = |piece: &&str| format!("{:x}\r\n{piece}\r\n", piece.len());
    [head.to_owned()].into_iter().chain(pieces.iter().map(chunk)).collect::<String>().into_bytes()
}

/// Builds an answer with a header block of `size` bytes.
pub(crate) fn oversized_head(size: usize) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
    let mut number = 0;
    while bytes.len() < size {
        bytes.extend_from_slice(format!("x-filler-{number}: {}\r\n", "x".repeat(1000)).as_bytes());
        number += 1;
    }
    bytes.extend_from_slice(b"content-length: 0\r\n\r\n");
    bytes
}

/// The moment at which a connection is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// As soon as it is open.
    Connected,
    /// After the blank line that ends the head.
    Head,
    /// After this many bytes, head included.
    Bytes(usize),
    /// Not at all: the connection is only read.
    Never,
}

/// The action after the last byte.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// An orderly close. All written bytes arrive.
    Close,
    /// A reset (`SO_LINGER` 0). The peer's system may drop bytes that the peer has not read.
    Reset,
    /// Silence; the upstream continues to read.
    Stall,
}

/// A broken upstream. Dropping it closes its connections.
#[derive(Debug)]
pub(crate) struct Chaos {
    address: SocketAddr,
    log: Arc<Log>,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Log {
    received: Mutex<Vec<u8>>,
    counts: watch::Sender<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    accepted: usize,
    bytes: usize,
    left: usize,
}

impl Chaos {
    /// Sends `bytes` at `when`, then does `then`.
    pub(crate) async fn start(when: When, bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self::in_turn(vec![(when, bytes.into(), then)]).await
    }

    /// Plays one script per connection in order of arrival, and the last script for all further ones.
    pub(crate) async fn in_turn(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let accepting = tokio::spawn(accept(listener, scripts, Arc::clone(&log))).abort_handle();
        Self { address, log, accepting }
    }

    /// Accepts and reads connections without answering.
    pub(crate) async fn silent() -> Self {
        Self::start(When::Never, "", Then::Stall).await
    }

    /// Returns the URL of a port that is taken and does not listen. It stays taken until the process ends.
    pub(crate) fn refusing_url() -> String {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let url = format!("http://{}/api/v1", socket.local_addr().unwrap());
        std::mem::forget(socket);
        url
    }

    /// Returns the URL for `CALLSIGN_UPSTREAM_URL`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns all received bytes of all connections in order of arrival.
    pub(crate) fn received(&self) -> Vec<u8> {
        self.log.received.lock().unwrap().clone()
    }

    /// Returns the number of accepted connections.
    pub(crate) fn accepted(&self) -> usize {
        self.log.counts.borrow().accepted
    }

    /// Waits until `count` connections were accepted.
    pub(crate) async fn wait_accepted(&self, count: usize) {
        self.wait("connections", |counts| counts.accepted >= count).await;
    }

    /// Waits until `count` bytes were received.
    pub(crate) async fn wait_bytes(&self, count: usize) {
        self.wait("bytes", |counts| counts.bytes >= count).await;
    }

    /// Waits until the other side has closed or reset `count` connections.
    pub(crate) async fn wait_left(&self, count: usize) {
        self.wait("the peer to leave", |counts| counts.left >= count).await;
    }

    async fn wait(&self, what: &str, reached: impl FnMut(&Counts) -> bool) {
        within(what, self.log.counts.subscribe().wait_for(reached)).await.unwrap();
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A moment, the bytes to send then, and the action after them.
pub(crate) type Script = (When, Vec<u8>, Then);

async fn accept(listener: TcpListener, scripts: Vec<Script>, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    let mut scripts = scripts.into_iter().map(Arc::new);
    let mut script = Arc::new((When::Never, Vec::new(), Then::Stall));
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        log.counts.send_modify(|counts| counts.accepted += 1);
        script = scripts.next().unwrap_or(script);
        connections.spawn(play(socket, Arc::clone(&script), Arc::clone(&log)));
    }
}

async fn play(mut socket: TcpStream, script: Arc<Script>, log: Arc<Log>) {
    let (when, bytes, then) = &*script;
    socket.set_nodelay(true).unwrap();
    let mut seen = Vec::new();
    while !is_due(*when, &seen) {
        // Reads no byte more, so that the action happens at exactly this byte.
        let most = if let When::Bytes(count) = when { count - seen.len() } else { usize::MAX };
        if !read(&mut socket, most, &mut seen, &log).await {
            return;
        }
    }
    // The next read notices a peer that leaves during the write.
    let _ = socket.write_all(bytes).await;
    match then {
        Then::Close => {
            let _ = socket.shutdown().await;
        }
        Then::Reset => {
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            return;
        }
        Then::Stall => {}
    }
    // Closing with unread bytes would send a reset, so an orderly close reads until the peer closes.
    while read(&mut socket, usize::MAX, &mut seen, &log).await {}
}

fn is_due(when: When, seen: &[u8]) -> bool {
    match when {
        When::Connected => true,
        When::Head => memchr::memmem::find(seen, b"\r\n\r\n").is_some(),
        When::Bytes(count) => seen.len() >= count,
        When::Never => false,
    }
}

/// Reads at most `most` bytes once. Returns false and counts the peer as left when it has closed.
async fn read(socket: &mut TcpStream, most: usize, seen: &mut Vec<u8>, log: &Log) -> bool {
    let before = seen.len();
    let read = socket.take(most as u64).read_buf(seen).await.unwrap_or(0);
    if read == 0 {
        log.counts.send_modify(|counts| counts.left += 1);
        return false;
    }
    log.received.lock().unwrap().extend_from_slice(&seen[before..]);
    log.counts.send_modify(|counts| counts.bytes += read);
    true
}
