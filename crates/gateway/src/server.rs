//! HTTP server: accepts connections and serves one [`Handler`] on them.
//!
//! This module owns everything below the request: listening sockets, TLS, HTTP/1.1 and HTTP/2, connection limits
//! ([`ConnectionLimiter`]), timeouts ([`Timeouts`]) and the drain after a signal ([`Drain`]). It must not interpret a
//! request: paths, callers and body contents belong to the handler. `axum::serve` is not used because it sets neither
//! `TCP_NODELAY` nor these timeouts.
//!
//! ```no_run
//! use std::{convert::Infallible, sync::Arc, time::Duration};
//! use callsign_gateway::server::{self, ConnectionLimiter, Drain, Handler, Options, Peer, Timeouts, Upload};
//! use http_body_util::Full;
//!
//! #[derive(Clone)]
//! struct Hello;
//!
//! impl Handler for Hello {
//!     type Body = Full<bytes::Bytes>;
//!
//!     async fn handle(&self, _: http::Request<Upload>, peer: Peer) -> http::Response<Self::Body> {
//!         http::Response::new(Full::from(format!("hello, {}\n", peer.address)))
//!     }
//! }
//!
//! # async fn run() -> anyhow::Result<()> {
//! let listener = tokio::net::TcpListener::from_std(server::bind(([127, 0, 0, 1], 8484).into())?)?;
//! let drain = Drain::new(Duration::ZERO, Duration::from_secs(25));
//! tokio::spawn(server::signals(&drain)?);
//! let most = server::connection_cap();
//! let connection_limiter = Arc::new(ConnectionLimiter::new(most, most / 2, 64, None));
//! let options = Arc::new(Options { timeouts: Timeouts::default(), connection_limiter, tls: None });
//! server::serve(listener, Hello, options, drain).await;
//! # Ok(())
//! # }
//! ```

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;

use callsign_core::shed::OverloadError;

mod accept;
mod alarm;
mod coalesce;
mod connection;
mod connection_limiter;
mod decoded;
mod drain;
mod listen;
#[cfg(test)]
mod tests;
mod timeouts;
mod tls;
mod upload;

pub use connection_limiter::ConnectionLimiter;
pub use decoded::ContentCoding;
pub use drain::{Drain, signals};
pub use listen::{BindError, bind, bind_shared, connection_cap};
pub use timeouts::{Timeouts, UploadTimeouts};
pub use tls::{Tls, TlsError};
pub use upload::{Upload, UploadReadError};

/// Answers the requests of a listener.
///
/// It is cloned for every request, so a clone must be as cheap as cloning one `Arc`.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The response body.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request. The future and the response body are dropped when the client disconnects.
    fn handle(&self, request: Request<Upload>, peer: Peer) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The remote TCP address: the client's, or that of a proxy in front of callsign.
    pub address: SocketAddr,
    /// True if the connection uses TLS.
    pub tls: bool,
    /// The reason to refuse the request: too many connections, or a drain that is about to end. `None`: serve it.
    pub shed: Option<OverloadError>,
}

/// A listener's connection options.
#[derive(Clone, Debug)]
pub struct Options {
    /// The timeouts of a connection and of an upload.
    pub timeouts: Timeouts,
    /// Limits the open connections. Share one limiter between the listeners of a port. Give the admin port its own, so
    /// that health checks are answered when the data port is full. [`connection_cap`] returns the most that fit.
    pub connection_limiter: Arc<ConnectionLimiter>,
    /// Serves TLS if set, plain text otherwise.
    pub tls: Option<Tls>,
}

/// Serves `handler` on `listener`. Returns when `drain` is over or all connections have ended after `drain` closed the
/// listener.
///
/// Run one of these per listener of [`bind_shared`], all with the same `options` and `drain`.
pub async fn serve<H: Handler>(listener: TcpListener, handler: H, options: Arc<Options>, drain: Drain) {
    accept::run(listener, handler, options, drain).await;
}
