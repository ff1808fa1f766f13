//! The settings of the upstream.

use std::time::Duration;

use callsign_core::secret::Secret;
use http::Uri;

/// The settings of the upstream. Only the configuration chooses the upstream, not a request
/// (`docs/SPEC.md#list-of-settings`).
#[derive(Clone, Debug)]
pub struct Settings {
    /// `CALLSIGN_UPSTREAM_URL`: `http` or `https`, with a host. Its path is the base path and may end in `/`
    /// (see [`Settings::base_path`]).
    pub url: Uri,
    /// `OPENROUTER_API_KEY`: the operator's key. Required unless pass-through is the only credential.
    pub api_key: Option<Secret>,
    /// `OPENROUTER_ORG_ID`: the id of the operator's OpenRouter organisation.
    pub org_id: Option<String>,
    /// `OPENROUTER_MANAGEMENT_KEY`: the key for OpenRouter's analytics. Not used for callers' requests.
    pub management_key: Option<Secret>,
    /// `upstream.connect_timeout_seconds`: time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// `upstream.first_byte_timeout_seconds`: time from the sent request to the response head.
    pub first_byte_timeout: Duration,
    /// `upstream.idle_timeout_seconds`: time between two bytes of a response, while it is being read.
    pub idle_timeout: Duration,
    /// `upstream.http2`: true if HTTP/2 is offered.
    pub http2: bool,
    /// `upstream.pool`: the pool of HTTP/1.1 connections.
    pub pool: PoolKind,
}

/// The pools of HTTP/1.1 connections. Without effect if HTTP/2 is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// callsign's own. The task of a request runs its connection.
    Inline,
    /// hyper-util's. Each connection has a task.
    Hyper,
}

impl Settings {
    /// Returns the path to which endpoint paths are appended, without a final `/`: `/api/v1`.
    pub fn base_path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Returns the upstream's TCP port.
    pub fn port(&self) -> u16 {
        let default = if self.url.scheme_str() == Some("http") { 80 } else { 443 };
        self.url.port_u16().unwrap_or(default)
    }
}
