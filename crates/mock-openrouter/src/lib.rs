//! A mock OpenRouter for `serve --demo`, `check`, `test-mapping` and the tests.
//!
//! The mock server listens on a loopback port, speaks HTTP/1.1 and HTTP/2 and answers every endpoint that callsign
//! exposes in OpenRouter's formats. It records every request and response. The assistant's text lists the received
//! identifiers and headers (`story.rs`). The model name of a request selects special behaviour (`behaviour.rs`). This
//! crate must not use callsign's other crates: it plays an independent server.
//!
//! The path of a request: [`MockServer::start_with`] accepts the connection → `upload` reads the body → `record`
//! records the request → `answer` selects the endpoint, whose file (`chat`, `responses`, `messages`, `media`, `videos`,
//! `catalogue`, `generations`, `account`, `errors`) builds a plan → `behaviour` changes the plan (with `faults`) →
//! `plan` sends the response → `record` enters its cost in the account books, [`MockServer::books`].
//!
//! | modules | purpose | must not |
//! |---|---|---|
//! | `upload`, `asked` | read and parse a request as leniently as OpenRouter | use callsign's own parser |
//! | `answer` | reads, records and answers one request | |
//! | `endpoint` | the table of the inference endpoints | |
//! | `chat`, `responses`, `messages`, `media`, `videos`, `catalogue`, `generations`, `account`, `errors` | the formats of OpenRouter's endpoints | |
//! | `reply`, `call`, `story` | the content of a response, independent of its format | |
//! | `usage`, `money` | token counts and costs; amounts as exact JSON numbers | add up amounts as `f64` |
//! | `books`, `lookups` | the account books; the number and failures of record lookups | |
//! | `rules` | OpenRouter's rules for identifiers | share code with callsign, whose identifiers it checks |
//! | `behaviour`, `names` | behaviours that a model name `mock/NAME` selects | |
//! | `faults` (feature `faults`; otherwise `no_faults`) | responses that stall, break off or are garbled, for tests | be in the shipped program |
//! | `plan` | a response as a list of steps, and the body that executes them | |
//! | `record`, `options` | the recorder for tests; the options of a mock server | |

mod account;
mod answer;
mod asked;
mod behaviour;
mod books;
mod call;
mod catalogue;
mod chat;
mod endpoint;
mod errors;
// Test code: the shipped program is built without the feature.
#[cfg_attr(not(feature = "faults"), path = "no_faults.rs")]
mod faults;
mod generations;
mod lookups;
mod media;
mod messages;
mod money;
mod names;
mod options;
mod plan;
mod record;
mod reply;
mod responses;
mod rules;
mod story;
mod upload;
mod usage;
mod videos;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

pub use self::account::AccountRefusal;
use self::answer::State;
pub use self::books::{Books, Entry, Total};
pub use self::lookups::LookupFailure;
use self::lookups::Lookups;
pub use self::options::Options;
use self::record::Recorder;
pub use self::record::{Received, Sent};

/// Pause after a failed accept, so that a lack of file descriptors does not cause a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running mock server. Dropping it stops the server and closes every connection.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    state: Arc<State>,
    taken: AtomicUsize,
    accepting: AbortHandle,
}

impl MockServer {
    /// Starts a mock server with the default options. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If no loopback port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts a mock server with `options`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If no loopback port can be bound.
    pub async fn start_with(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let recorder = Arc::new(Recorder::new(&options));
        let state = Arc::new(State {
            options,
            recorder,
            gate: Arc::new(Semaphore::new(0)),
            refusal: Mutex::default(),
            lookups: Lookups::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, taken: AtomicUsize::new(0), accepting })
    }

    /// Returns the base URL for `CALLSIGN_UPSTREAM_URL`: `http://127.0.0.1:PORT/api/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns every completely received request, in the order of completion.
    pub fn received(&self) -> Vec<Received> {
        self.state.recorder.received()
    }

    /// Waits for the next completely received request that this method has not returned, and returns it. Without
    /// [`Options::keep`] this method does not return.
    pub async fn next_received(&self) -> Received {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        self.wait_received(index + 1).await;
        match self.state.recorder.received_at(index) {
            Some(received) => received,
            None => std::future::pending().await,
        }
    }

    /// Waits until at least `count` requests are completely received.
    pub async fn wait_received(&self, count: usize) {
        self.state.recorder.wait(|tally| tally.received >= count).await;
    }

    /// Returns the number of received request heads.
    pub fn begun(&self) -> usize {
        self.state.recorder.tally().begun
    }

    /// Waits until at least `count` request heads are received.
    pub async fn wait_begun(&self, count: usize) {
        self.state.recorder.wait(|tally| tally.begun >= count).await;
    }

    /// Returns the number of requests that the client cancelled: during the upload, or before the response ended.
    pub fn cancelled(&self) -> usize {
        self.state.recorder.tally().cancelled
    }

    /// Waits until the client has cancelled at least `count` requests.
    pub async fn wait_cancelled(&self, count: usize) {
        self.state.recorder.wait(|tally| tally.cancelled >= count).await;
    }

    /// Returns the account books: what each inference request cost whose response has ended or whose client has left.
    pub fn books(&self) -> Books {
        self.state.recorder.books()
    }

    /// Waits until the books have had at least `count` entries.
    pub async fn wait_booked(&self, count: usize) {
        self.state.recorder.wait(|tally| tally.booked >= count).await;
    }

    /// Makes the operator's account refuse all inference requests, until this method is called with `None`. Responses
    /// that have begun go on.
    pub fn refuse_account(&self, refusal: Option<AccountRefusal>) {
        *self.state.refusal.lock() = refusal;
    }

    /// Makes the next `count` lookups of generation records fail, after those that already are to fail.
    pub fn fail_lookups(&self, count: usize, failure: LookupFailure) {
        self.state.lookups.fail(count, failure);
    }

    /// Returns the number of lookups of generation records (`GET /generation`) with this key, failed ones included. The
    /// first 1024 keys are counted.
    pub fn lookups(&self, key: &str) -> usize {
        self.state.lookups.with_key(key)
    }

    /// Waits until there were at least `count` lookups of generation records, with any key.
    pub async fn wait_lookups(&self, count: usize) {
        self.state.lookups.wait(count).await;
    }

    /// Returns what was sent so far in response to the request with this [`Received::number`].
    pub fn sent(&self, number: usize) -> Option<Sent> {
        self.state.recorder.sent(number)
    }

    /// Adds `count` permits for the faults `gate`, `gate-head` and `slow-read`. Each of their waits takes one permit;
    /// all requests share them.
    pub fn release(&self, count: usize) {
        self.state.gate.add_permits(count.min(Semaphore::MAX_PERMITS - self.state.gate.available_permits()));
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections until it is aborted. Aborting drops the `JoinSet` and with it every connection.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
                // The likely reason is a lack of file descriptors; open connections must end first.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // The client notices a failed connection. Its exchanges count as cancelled.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer::answer(Arc::clone(&state), request));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
