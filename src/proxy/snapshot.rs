//! One immutable configuration, made ready for the request path: what a request sees is one of these from its beginning
//! to its end.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use super::cors::Cors;
use crate::caller::key::Directory;
use crate::identifiers::Policy;
use crate::rewrite::OwnedNames;
use crate::rewrite::headers::HeaderPolicy;

/// What becomes of a client's `prompt_cache_key` (`CALLSIGN_PROMPT_CACHE_KEY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheKey {
    /// Written back bound to the caller.
    #[default]
    Bind,
    /// Removed.
    Drop,
    /// Passed as it is.
    Keep,
}

/// Sizes of bodies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `CALLSIGN_MAX_BODY_BYTES`.
    pub max_body: u64,
    /// `CALLSIGN_HOLD_BODY_BYTES`.
    pub hold_body: u64,
}

/// Where requests go: the base URL in parts, so that a target is put together without parsing.
#[derive(Clone, Debug)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    path: String,
}

impl Base {
    /// Takes an absolute `http` or `https` URL apart; `None` for anything else.
    pub fn new(url: &Uri) -> Option<Self> {
        Some(Self {
            scheme: url.scheme()?.clone(),
            authority: url.authority()?.clone(),
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// The configuration of the request path.
#[derive(Debug)]
pub struct Snapshot {
    /// Who may come in.
    pub directory: Directory,
    /// What is said about them.
    pub policy: Policy,
    /// The body members that never pass.
    pub owned: Arc<OwnedNames>,
    /// What becomes of `prompt_cache_key`.
    pub cache_key: CacheKey,
    /// Headers, both ways.
    pub headers: HeaderPolicy,
    /// The operator's key as a header value; absent if pass-through is the only way in.
    pub authorization: Option<HeaderValue>,
    /// Where requests go.
    pub base: Base,
    /// Sizes of bodies.
    pub limits: Limits,
    /// The longest silence between two frames of an answer.
    pub idle_timeout: Duration,
    /// Calls from browsers.
    pub cors: Cors,
    /// Whether the operator's account id is blanked in error bodies.
    pub redact_account: bool,
}

impl Snapshot {
    /// The URL of `path` (behind the base path) with this query. Both come from tables or have been checked to hold
    /// nothing but a path's characters; what could not be put together all the same leads to the base path itself, which
    /// OpenRouter answers with 404.
    pub fn target(&self, path: &str, query: Option<&str>) -> Uri {
        let text = match query {
            Some(query) => format!("{}/{path}?{query}", self.base.path),
            None => format!("{}/{path}", self.base.path),
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.base.scheme.clone());
        parts.authority = Some(self.base.authority.clone());
        parts.path_and_query =
            Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }
}
