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

use std::sync::Arc;

use tokio::net::TcpListener;

mod accept;
mod alarm;
mod coalesce;
mod connection;
mod connection_limiter;
mod decoded;
mod drain;
mod handler;
mod listen;
mod raw_upload;
mod reset;
mod streams;
#[cfg(test)]
mod tests;
mod timeouts;
mod tls;
mod upload;

pub use connection_limiter::ConnectionLimiter;
pub use decoded::ContentCoding;
pub use drain::{Drain, signals};
pub use handler::{Handler, Options, Peer};
pub use listen::{BindError, bind, bind_shared, connection_cap};
pub use raw_upload::UploadReadError;
pub use timeouts::{DownloadTimeouts, Timeouts, UploadTimeouts};
pub use tls::{Tls, TlsError};
pub use upload::Upload;

/// Serves `handler` on `listener`. Returns when `drain` is over or all connections have ended after `drain` closed the
/// listener.
///
/// Run one of these per listener of [`bind_shared`], all with the same `options` and `drain`.
pub async fn serve<H: Handler>(listener: TcpListener, handler: H, options: Arc<Options>, drain: Drain) {
    accept::run(listener, handler, options, drain).await;
}
