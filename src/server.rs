//! The front door: accepts connections and serves one [`Handler`] on them.
//!
//! This room owns everything that a connection needs before and around a request: listening sockets, TLS, HTTP/1.1
//! and HTTP/2, the limits on connections ([`Places`]), time-outs ([`Patience`]) and the drain after a signal ([`Drain`]). It must not
//! look into a request: paths, callers and bodies are the handler's business. `axum::serve` is not used because it sets
//! neither `TCP_NODELAY` nor these time-outs (design, "Speed").
//!
//! ```no_run
//! use std::{convert::Infallible, sync::Arc, time::Duration};
//! use callsign::server::{self, Drain, Handler, Options, Patience, Peer, Places, Upload};
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
//! let places = Arc::new(Places::new(most, most / 2, 64, None));
//! let options = Arc::new(Options { patience: Patience::default(), places, tls: None });
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

use crate::shed::Shed;

mod accept;
mod alarm;
mod connection;
mod decoded;
mod drain;
mod gather;
mod listen;
mod patience;
mod places;
#[cfg(test)]
mod tests;
mod tls;
mod upload;

pub use decoded::Coding;
pub use drain::{Drain, signals};
pub use listen::{BindError, bind, bind_shared, connection_cap};
pub use patience::{Patience, UploadPatience};
pub use places::Places;
pub use tls::{Tls, TlsError};
pub use upload::{Upload, UploadError};

/// What answers the requests of a listener.
///
/// It is cloned for every request, so it should be one `Arc` or less.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request. The future is dropped when the client leaves; so is the response's body.
    fn handle(&self, request: Request<Upload>, peer: Peer) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the TCP connection comes from: the client, or the proxy before callsign.
    pub address: SocketAddr,
    /// Whether it arrived over TLS.
    pub tls: bool,
    /// Why its request should be refused rather than served: there are too many connections, or the end is near.
    pub shed: Option<Shed>,
}

/// How a listener treats its connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time-outs of a connection and of an upload.
    pub patience: Patience,
    /// A place per open connection. Share them between the listeners of one port; give the admin port its own, so
    /// that health checks are answered when the data port is full. See [`connection_cap`].
    pub places: Arc<Places>,
    /// Speaks TLS when given, plain text otherwise.
    pub tls: Option<Tls>,
}

/// Serves `handler` on `listener` until `drain` says that it is over, and every connection is gone.
///
/// Several of these may run at once, each on a listener of [`bind_shared`], with one `options` and one `drain`.
pub async fn serve<H: Handler>(listener: TcpListener, handler: H, options: Arc<Options>, drain: Drain) {
    accept::run(listener, handler, options, drain).await;
}
