//! The stand-in OpenRouter that `serve --demo`, `check`, `test-mapping` and the tests share.
//!
//! It listens on a loopback port of its own, speaks HTTP/1.1 and HTTP/2, answers every endpoint that callsign exposes in
//! OpenRouter's shapes, and remembers exactly what arrived and what it sent. The assistant's text says which
//! identifiers and headers came in (`standin/story.rs`). A single request is steered by the model that it names
//! (`standin/behaviour.rs`). It must not know anything of callsign's own rooms: it stands for somebody else.
//!
//! The way of a request: [`StandIn::start_with`] accepts → `upload` reads → `record` remembers → `answer` picks the
//! endpoint, whose file (`chat`, `responses`, `messages`, `media`, `catalogue`, `generations`, `errors`) builds a plan →
//! `behaviour` bends it (with `bend`) → `plan` plays it.

mod answer;
mod asked;
mod behaviour;
mod bend;
mod call;
mod catalogue;
mod chat;
mod errors;
mod generations;
mod gzip;
mod media;
mod messages;
mod plan;
mod record;
mod reply;
mod responses;
mod rules;
mod story;
mod upload;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use self::answer::House;
use self::record::Book;
pub use self::record::{Received, Sent};

/// How long accepting rests after it has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a stand-in differs from the plain one.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The gap between two chunks of every answer, so that a person sees it stream; none by default.
    pub pace: Option<Duration>,
    /// Whether requests and answers are remembered whole (by default they are). A long-running `--demo` says no, so that it does not grow.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { pace: None, keep: true }
    }
}

impl Options {
    /// What `serve --demo` uses: a visible stream, nothing remembered but the latest generation records.
    pub const DEMO: Self = Self { pace: Some(Duration::from_millis(30)), keep: false };
}

/// A running stand-in. Dropping it stops it and closes every connection.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    house: Arc<House>,
    taken: AtomicUsize,
    accepting: AbortHandle,
}

impl StandIn {
    /// Starts a plain one, which remembers everything. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one that behaves as `options` say.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start_with(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let book = Arc::new(Book::new(options.keep));
        let house = Arc::new(House { options, book, gate: Arc::new(Semaphore::new(0)) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&house))).abort_handle();
        Ok(Self { address, house, taken: AtomicUsize::new(0), accepting })
    }

    /// The base URL, as `CALLSIGN_UPSTREAM_URL` wants it: `http://127.0.0.1:PORT/api/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that arrived whole, in the order in which they were complete.
    pub fn received(&self) -> Vec<Received> {
        self.house.book.received()
    }

    /// The next whole request that this method has not returned yet; waits for it.
    /// A stand-in that does not keep requests never returns.
    pub async fn next_received(&self) -> Received {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        self.wait_received(index + 1).await;
        match self.house.book.received_at(index) {
            Some(received) => received,
            None => std::future::pending().await,
        }
    }

    /// Waits until at least `count` requests have arrived whole.
    pub async fn wait_received(&self, count: usize) {
        self.house.book.wait(|tally| tally.received >= count).await;
    }

    /// How many request heads have arrived, whatever became of their bodies.
    pub fn begun(&self) -> usize {
        self.house.book.tally().begun
    }

    /// Waits until at least `count` request heads have arrived.
    pub async fn wait_begun(&self, count: usize) {
        self.house.book.wait(|tally| tally.begun >= count).await;
    }

    /// How many requests were given up by the client: during the upload, before the answer, or before its end.
    pub fn cancelled(&self) -> usize {
        self.house.book.tally().cancelled
    }

    /// Waits until at least `count` requests were given up.
    pub async fn wait_cancelled(&self, count: usize) {
        self.house.book.wait(|tally| tally.cancelled >= count).await;
    }

    /// What has been sent so far in answer to the request of that [`Received::number`].
    pub fn sent(&self, number: usize) -> Option<Sent> {
        self.house.book.sent(number)
    }

    /// Lets `count` waits of the behaviours `gate`, `gate-head` and `slow-read` pass, present or future ones.
    /// All requests share these permits.
    pub fn release(&self, count: usize) {
        self.house.gate.add_permits(count.min(Semaphore::MAX_PERMITS - self.house.gate.available_permits()));
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes connections until it is aborted, which drops the set and with it every connection.
async fn accept(listener: TcpListener, house: Arc<House>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&house)));
                }
                // Out of descriptors, most likely: some that are open must end first.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, house: Arc<House>) {
    // A connection that cannot be set up or breaks is the client's to notice; the exchanges on it are counted.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer::answer(Arc::clone(&house), request));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
