//! hyper-util's pools of connections to the upstream.
//!
//! Over HTTP/1.1 a request has a connection for itself, and one pool serves all. Over HTTP/2 the client's pool has one
//! connection, which the requests share: its window, and the server's limit of streams. So that no request waits for
//! another, a connection carries at most [`STREAMS`] requests, its window has room for all of them, and further requests
//! use another pool, which is another connection (`docs/SPEC.md#fair-shares`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;

use super::connector::Connector;
use super::request_body::RequestBody;

/// Time after which an idle connection is closed. It is shorter than the upstream's own timeout, because a request on a
/// connection that is being closed cannot be repeated.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Maximum size of hyper's buffers in bytes, per connection and direction.
const BUFFER: usize = 32 * 1024;
/// Requests that share one HTTP/2 connection. Servers accept at least 100 streams (RFC 9113, section 6.5.2); a request
/// above the server's limit would wait for another to end.
pub(super) const STREAMS: usize = 64;
/// Bytes that the upstream may send ahead on one stream: the memory that a client that does not read can occupy.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Bytes that the upstream may send ahead on one connection: twice as much as all its streams, since a stream that was
/// cut gives its bytes back a moment later.
const CONNECTION_WINDOW: u32 = 128 * STREAM_WINDOW;
const _: () = assert!(CONNECTION_WINDOW as usize == 2 * STREAMS * STREAM_WINDOW as usize);

pub(super) type HttpClient = Client<Connector, RequestBody>;

/// The pools of one upstream.
#[derive(Debug)]
pub(super) struct Lanes {
    connector: Connector,
    /// Serves everything over HTTP/1.1.
    first: HttpClient,
    /// The pools of HTTP/2 in order of use; `None` if HTTP/2 is not offered.
    http2: Option<Mutex<Vec<Lane>>>,
}

/// One pool, and the requests that use it.
#[derive(Debug)]
struct Lane {
    client: HttpClient,
    running: Arc<AtomicUsize>,
}

/// The place of one request in a pool. Dropping it releases the place.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lanes {
    pub(super) fn new(connector: Connector, http2: bool) -> Self {
        let first = client(connector.clone());
        Self { connector, first, http2: http2.then(Mutex::default) }
    }

    /// Returns the pool for the next request: the first with room, so that the last ones become idle and close.
    pub(super) fn enter(&self) -> (HttpClient, Option<Place>) {
        let Some(lanes) = &self.http2 else { return (self.first.clone(), None) };
        let mut lanes = lanes.lock();
        let number = lanes.iter().position(|lane| lane.running.load(Ordering::Acquire) < STREAMS);
        let number = number.unwrap_or_else(|| {
            lanes.push(Lane { client: client(self.connector.clone()), running: Arc::default() });
            lanes.len() - 1
        });
        let lane = &lanes[number];
        lane.running.fetch_add(1, Ordering::AcqRel);
        (lane.client.clone(), Some(Place(Arc::clone(&lane.running))))
    }
}

fn client(connector: Connector) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .timer(TokioTimer::new())
        .http1_max_buf_size(BUFFER)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build(connector)
}
