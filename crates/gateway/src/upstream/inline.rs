//! A pool of HTTP/1.1 connections that run in the task of the request that uses them.
//!
//! hyper-util's pool has a task for each connection: each chunk of an answer passes a channel and a switch of tasks.
//! Here the request's own task polls the connection (`callsign-http1`), so a chunk costs one wake-up, and a connection that
//! waits holds no buffer.
//!
//! The owner of a [`Line`] (a connection and its origin) is the state of the connection:
//!
//! ```text
//!            dial                      head                       end, nothing left over
//! (none) ────────────► exchange ───────────────► answer body ────────────────────────────► idle
//!                        ▲  │                      │                                       │  │
//!                        │  └── error, drop ──►    └── error, drop, rule of reuse ──►      │  └── 50 s, EOF, byte ──►
//!                        └───────────────────── take: checked, silent ────────────────────┘       (closed)
//! ```
//!
//! | state | owner | polled by | ends |
//! |---|---|---|---|
//! | exchange | the future of [`InlinePool::send`] | the request's task | with the head: answer body. Error, timeout or drop: closed |
//! | answer body | [`InlineBody`] | the request's task, or the task that reads on | after the last byte: idle, if [`reuse::permits`] and `callsign-http1` is ready for another request; else closed. Drop: closed |
//! | idle | [`Idle`](idle::IdleLines) | one sweeping task per pool, when a byte, EOF or the timeout comes | taken by a request of the same account, or closed |
//!
//! So a connection closes unless one function, `InlineBody::finish`, gives it back: also when a future is dropped or a
//! panic unwinds it. The rules are `docs/SPEC.md#connection-reuse`. What enforces each:
//!
//! * HTTP/1.1, no HEAD, the status, one framing header: [`reuse::permits`], from the head.
//! * The upload fully written, the body read to its end, no byte left over (through TLS, so also in its decrypted buffer),
//!   no EOF: `callsign_http1::Connection::is_idle`.
//! * The same at reuse, and [`GuardedStream`] asks the kernel.
//! * No byte of an answer before the new head has left: `callsign_http1`.
//!
//! No request is sent a second time: a connection that fails the check at reuse has not got it yet.
//!
//! [`GuardedStream`]: super::guarded_stream::GuardedStream

mod answer;
mod batch;
mod idle;
mod line;
mod origin;
mod reuse;
mod sweep;

use std::sync::Arc;

use http::header::HOST;
use http::{Method, Request, Response, Uri};
use tokio::time::Instant;
use tower_service::Service;

use super::connector::{BoxError, Connector};
use super::pool_key::PoolKey;
use super::request_body::RequestBody;
pub(super) use answer::InlineBody;
use batch::Batches;
use idle::IdleLines;
use line::Line;
use origin::Origin;
use sweep::Pool;

/// The pool of one upstream and one runtime thread.
#[derive(Debug)]
pub(super) struct InlinePool {
    connector: Connector,
    /// The origin at start. A reload may change the URL of requests.
    origin: Arc<Origin>,
    /// True for a forwarding proxy, whose requests contain the whole URL.
    is_forwarded: bool,
    pool: Arc<Pool>,
    batches: Batches,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) enum InlineError {
    /// No connection.
    Connect(BoxError),
    /// The connection failed, perhaps after the request had left.
    Exchange(callsign_http1::Error),
}

impl InlinePool {
    /// Creates the pool. Most requests go to the origin of `url`.
    pub(super) fn new(connector: Connector, url: &Uri, is_forwarded: bool) -> Self {
        let pool = Arc::new(Pool::new(IdleLines::default()));
        Self { connector, origin: Arc::new(Origin::of(url)), is_forwarded, pool, batches: Batches::default() }
    }

    /// Sends a request over a connection of the account's pool or a new one, and waits for the head of the answer.
    /// Without an account the connection is new and closes after the answer. `now` is the current time.
    pub(super) async fn send(
        &self,
        mut request: Box<Request<RequestBody>>,
        account: Option<&PoolKey>,
        now: Instant,
    ) -> Result<Response<InlineBody>, InlineError> {
        let origin = self.origin_of(request.uri());
        request.headers_mut().entry(HOST).or_insert_with(|| origin.host.clone());
        if !self.is_forwarded {
            *request.uri_mut() = origin_form(request.uri());
        }
        let is_head = request.method() == Method::HEAD;
        // Others are probably ready too: they go first, so that the writes follow one another.
        if self.batches.add() {
            tokio::task::yield_now().await;
        }
        let taken = account.and_then(|account| self.pool.take(account, &origin, now));
        let mut line = match taken {
            Some(line) => line,
            None => Box::new(self.dial(Arc::clone(&origin)).await?),
        };
        let answer = line.send(request).await.map_err(InlineError::Exchange)?;
        let back = account.filter(|_| reuse::permits(is_head, &answer)).cloned();
        let back = back.map(|account| (Arc::clone(&self.pool), account));
        Ok(answer.map(|()| InlineBody::new(line, back)))
    }

    /// Closes the idle connections of retired accounts.
    pub(super) fn drop_retired(&self) {
        self.pool.drop_retired();
    }

    fn origin_of(&self, url: &Uri) -> Arc<Origin> {
        if self.origin.is_of(url) { Arc::clone(&self.origin) } else { Arc::new(Origin::of(url)) }
    }

    async fn dial(&self, origin: Arc<Origin>) -> Result<Line, InlineError> {
        let mut connector = self.connector.clone();
        std::future::poll_fn(|cx| connector.poll_ready(cx)).await.map_err(InlineError::Connect)?;
        let stream = connector.call(origin.url.clone()).await.map_err(InlineError::Connect)?;
        Ok(Line::new(stream, origin))
    }
}

/// Returns the path and query alone.
fn origin_form(url: &Uri) -> Uri {
    url.path_and_query().cloned().map(Uri::from).unwrap_or_default()
}

#[cfg(test)]
mod tests;
