//! The settings of the request path.

use callsign_core::auth::settings::Callers;
use callsign_core::tenant::Tenants;
use callsign_store::{archive, limits};
use http::{HeaderName, HeaderValue};

use crate::upstream;

/// The settings that a [`Snapshot`](super::snapshot::Snapshot) is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys, issuers, presets and pass-through.
    pub callers: Callers,
    /// The operator's policy and the tenants.
    pub tenants: Tenants,
    /// The connection to OpenRouter.
    pub upstream: upstream::settings::Settings,
    /// Settings of bodies.
    pub bodies: Bodies,
    /// Settings of headers.
    pub headers: Headers,
    /// `CALLSIGN_CORS_ORIGINS`: the origins whose scripts may call.
    pub cors_origins: Vec<HeaderValue>,
    /// The archive. A reload does not change its directory.
    pub archive: archive::settings::Settings,
    /// Limits and blocks.
    pub limits: limits::settings::Settings,
    /// True if requests are recorded in a ledger.
    pub has_ledger: bool,
    /// True if run-time limits can be set: there is a data directory or a store of limits.
    pub has_operator_state: bool,
}

impl Settings {
    /// Returns true if responses may be read for their usage or archived. OpenRouter is then asked for uncompressed ones.
    /// A run-time limit may be a budget.
    pub fn reads_answers(&self) -> bool {
        self.has_ledger || self.has_operator_state || self.archive.place.is_some() || self.limits.reads_answers()
    }
}

/// Settings of request and response bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bodies {
    /// `CALLSIGN_MAX_BODY_BYTES`: a larger request body is refused with 413.
    pub max_bytes: u64,
    /// `CALLSIGN_BUFFER_BODY_BYTES`, at most [`Bodies::max_bytes`]; 0 streams every body.
    pub buffer_bytes: usize,
    /// `CALLSIGN_BUFFER_TOTAL_BYTES`; 0 streams every body.
    pub buffer_total_bytes: usize,
    /// `[body] remove`: additional top-level names to remove.
    pub remove: Vec<String>,
    /// `CALLSIGN_PROMPT_CACHE_KEY`: the handling of that member.
    pub prompt_cache_key: PromptCacheKey,
    /// `CALLSIGN_SERVER_TOOLS`: the handling of tools that reach data of the shared account.
    pub server_tools: ServerTools,
    /// `server_tools_allowed`: types of tools that pass although others are blocked.
    pub server_tools_allowed: Vec<String>,
    /// `CALLSIGN_REDACT_ACCOUNT`: blanks the operator's `user_id` in OpenRouter's error bodies.
    pub redact_account: bool,
    /// True if video jobs may be created without a ledger that records their owners. Only self-tests set it: their jobs are
    /// the mock's.
    pub unowned_jobs: bool,
    /// `on_client_gone`: what happens to a request whose client leaves.
    pub on_client_gone: OnClientGone,
}

/// The treatment of a request whose client leaves (`docs/SPEC.md#clients-that-leave`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnClientGone {
    /// An answer that is no stream is read on for its usage, within limits.
    #[default]
    Auto,
    /// It is cancelled at once.
    Cancel,
}

/// The handling of a client's `prompt_cache_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptCacheKey {
    /// Replaced by a digest of it and the caller.
    #[default]
    Bind,
    /// Removed.
    Drop,
    /// Sent unchanged.
    Keep,
}

/// The handling of requests for tools that reach the files and shells of the shared account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTools {
    /// Requests with them are refused with 403.
    #[default]
    Block,
    /// Requests with them are sent.
    Allow,
}

/// Settings of request headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `[headers] forward`: names added to the allow-list of request headers.
    pub forward: Vec<HeaderName>,
    /// `[headers] http_referer`: replaces the client's header.
    pub http_referer: Option<HeaderValue>,
    /// `[headers] x_openrouter_title`: replaces the client's header.
    pub x_openrouter_title: Option<HeaderValue>,
}
