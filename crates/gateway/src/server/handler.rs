//! The interface between a listener and the code that answers its requests.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use callsign_core::shed::OverloadError;
use http::{Request, Response};
use http_body::Body;

use super::connection_limiter::ConnectionLimiter;
use super::timeouts::Timeouts;
use super::tls::Tls;
use super::upload::Upload;

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
    /// that health checks are answered when the data port is full. [`connection_cap`](super::connection_cap) returns
    /// the most that fit.
    pub connection_limiter: Arc<ConnectionLimiter>,
    /// Serves TLS if set, plain text otherwise.
    pub tls: Option<Tls>,
}
