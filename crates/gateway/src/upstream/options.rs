//! The options of the connections to the upstream.

use std::sync::Arc;
use std::time::Duration;

use callsign_telemetry::metrics::Metrics;
use http::Uri;

use super::settings::PoolKind;

/// Connection options of the upstream.
#[derive(Clone, Debug)]
pub struct Options {
    /// The upstream's base URL. Only scheme, host and port are used.
    pub url: Uri,
    /// Timeout of name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Timeout of the response head. It counts from the time at which the upstream last read a part of the request.
    pub first_byte_timeout: Duration,
    /// Offers HTTP/2 in TLS. One connection then carries up to 64 requests.
    pub http2: bool,
    /// Chooses the pool of HTTP/1.1 connections.
    pub pool: PoolKind,
    /// Uses the environment's `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub proxy_from_env: bool,
    /// Counts the connections.
    pub metrics: Arc<Metrics>,
}
