//! The settings of the request path.

use callsign_core::auth::settings::Callers;
use callsign_core::tenant::Tenants;
use callsign_store::{archive, limits};
use http::{HeaderName, HeaderValue};

use crate::upstream;

/// The settings that a [`Snapshot`](super::snapshot::Snapshot) is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys, issuers, presets.
    pub callers: Callers,
    /// The operator's policy and the tenants.
    pub tenants: Tenants,
    /// The upstream.
    pub upstream: upstream::settings::Settings,
    /// Bodies.
    pub bodies: Bodies,
    /// Headers.
    pub headers: Headers,
    /// `CALLSIGN_CORS_ORIGINS`.
    pub cors_origins: Vec<HeaderValue>,
    /// The archive; its directory is fixed when callsign starts.
    pub archive: archive::settings::Settings,
    /// Limits and blocks.
    pub limits: limits::settings::Settings,
    /// True if requests are recorded in a ledger.
    pub has_ledger: bool,
}

impl Settings {
    /// Returns true if answers are read for their usage. OpenRouter is then asked for uncompressed answers.
    pub fn reads_answers(&self) -> bool {
        self.has_ledger || self.archive.place.is_some() || self.limits.reads_answers()
    }
}

/// Settings of request and response bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bodies {
    /// `CALLSIGN_MAX_BODY_BYTES`; a larger request body is 413.
    pub max_bytes: u64,
    /// `CALLSIGN_HOLD_BODY_BYTES`, at most [`Bodies::max_bytes`]; 0 streams every body.
    pub buffer_bytes: usize,
    /// `CALLSIGN_HOLD_TOTAL_BYTES`; 0 streams every body.
    pub buffer_total_bytes: usize,
    /// `[body] remove`: further top-level names to remove.
    pub remove: Vec<String>,
    /// `CALLSIGN_PROMPT_CACHE_KEY`.
    pub prompt_cache_key: PromptCacheKey,
    /// `CALLSIGN_SERVER_TOOLS`.
    pub server_tools: ServerTools,
    /// `CALLSIGN_REDACT_ACCOUNT`: blank the operator's `user_id` in upstream error bodies.
    pub redact_account: bool,
}

/// What becomes of a client's `prompt_cache_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptCacheKey {
    /// Replaced by a digest of it and the caller.
    #[default]
    Bind,
    /// Removed.
    Drop,
    /// Left as it is.
    Keep,
}

/// What becomes of requests for tools that reach the files and shells of the shared account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTools {
    /// They are answered with 403.
    #[default]
    Block,
    /// They pass.
    Allow,
}

/// Settings of request headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `[headers] forward`, added to the allow-list.
    pub forward: Vec<HeaderName>,
    /// `[headers] http_referer`; wins over the client's.
    pub http_referer: Option<HeaderValue>,
    /// `[headers] x_openrouter_title`; wins over the client's.
    pub x_openrouter_title: Option<HeaderValue>,
}
