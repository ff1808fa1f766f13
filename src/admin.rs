//! The operator's port: health and metrics for machines, an API and a dashboard for whoever has the admin token (contract,
//! section 2, `CALLSIGN_ADMIN_*`, and section 6).
//!
//! ```text
//! request ─► open to all? (/healthz /readyz /metrics) ─► known Host? ─► a token configured?
//!            ─► /api/…: bearer token      ─► api    JSON, errors with their status
//!            ─► else: session, same origin ─► pages  server-rendered HTML under a strict policy, no script at all
//! ```
//!
//! It is never reached from the data port, knows no caller and passes nothing on. It reads the configuration in force and
//! the ledger's sums; the only things that it changes are the ledger, where a person is to be forgotten, and its own
//! sessions.

mod answer;
mod api;
mod ask;
mod attempts;
mod health;
mod host;
mod pages;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY};
use axum::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use axum::routing::get;
use subtle::ConstantTimeEq;
use tower::ServiceExt;

use crate::config::AdminPort;
use crate::ledger::{Keeper, Ledger, Reader};
use crate::observe::Metrics;
use crate::proxy::Proxy;
use crate::secret::{KeyDigest, Secret};
use crate::server::{Drain, Handler, Peer, Upload};
use answer::ApiError;
use attempts::{Attempts, TooMany};
use host::Hosts;
use session::Sessions;

/// What answers to everybody, by whatever name.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// What the dashboard may load: its own style and icon (contract, section 6). No script, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'self'; \
                      img-src 'self'";

/// What the admin port serves.
#[derive(Clone, Debug)]
pub struct Admin {
    operator: Arc<Operator>,
    router: Router,
}

/// What the admin port is made of.
#[derive(Debug)]
pub struct Fixtures {
    /// What it shows.
    pub metrics: Arc<Metrics>,
    /// It is ready until this begins or a self-audit fails.
    pub drain: Drain,
    /// Whose configuration it shows.
    pub proxy: Proxy,
    /// Where the data port listens, for telling where to point an app at.
    pub data: SocketAddr,
    /// Whose health it shows.
    pub ledger: Ledger,
    /// What it reads and changes of the ledger; `None` where that is off.
    pub books: Option<(Reader, Keeper)>,
}

/// What the routes share.
#[derive(Debug)]
struct Operator {
    fixtures: Fixtures,
    token: Option<Secret>,
    hosts: Hosts,
    attempts: Attempts,
    sessions: Sessions,
    /// One rehearsal at a time.
    stage: tokio::sync::Mutex<()>,
}

impl Admin {
    /// A port with these settings.
    pub fn new(port: &AdminPort, fixtures: Fixtures) -> Self {
        let operator = Arc::new(Operator {
            fixtures,
            token: port.token.clone(),
            hosts: Hosts::new(port.hosts.clone()),
            attempts: Attempts::default(),
            sessions: Sessions::default(),
            stage: tokio::sync::Mutex::default(),
        });
        let router = Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics))
            .merge(api::router())
            .merge(pages::router())
            .with_state(Arc::clone(&operator));
        Self { operator, router }
    }

    /// The way of a request.
    async fn answer(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut response = if let Some(refusal) = self.refusal(&parts, peer) {
            refusal
        } else {
            let mut request = Request::from_parts(parts, body);
            request.extensions_mut().insert(peer);
            match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        };
        protect(response.headers_mut());
        response
    }

    /// What a request is answered before any route has seen it; `None` lets it through.
    fn refusal(&self, parts: &Parts, peer: Peer) -> Option<Response<Body>> {
        let path = parts.uri.path();
        if OPEN.contains(&path) {
            return None;
        }
        if !self.operator.hosts.know(parts) {
            return Some(ApiError::UnknownHost.into_response());
        }
        if self.operator.token.is_none() {
            return Some(ApiError::NoToken.into_response());
        }
        if path.starts_with("/api/") {
            self.operator.check_bearer(&parts.headers, peer).err().map(IntoResponse::into_response)
        } else {
            pages::refusal(&self.operator, parts)
        }
    }
}

impl Operator {
    /// The bearer token, compared in constant time.
    fn check_bearer(&self, headers: &HeaderMap, peer: Peer) -> Result<(), ApiError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(ApiError::Unauthorized) };
        let token = value.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        let (_, token) = token.ok_or(ApiError::Unauthorized)?;
        if self.is_token(token.trim_ascii(), peer)? { Ok(()) } else { Err(ApiError::Unauthorized) }
    }

    /// Whether this is the admin token. Digests are compared, so that not even the length can be measured.
    fn is_token(&self, given: &[u8], peer: Peer) -> Result<bool, TooMany> {
        self.attempts.attempt(peer.address.ip(), || {
            let given = KeyDigest::of(given).to_hex();
            self.token.as_ref().is_some_and(|token| token.digest().to_hex().as_bytes().ct_eq(given.as_bytes()).into())
        })
    }
}

impl Handler for Admin {
    type Body = Body;

    async fn handle(&self, request: Request<Upload>, peer: Peer) -> Response<Body> {
        self.answer(request.map(Body::new), peer).await
    }
}

/// What every answer of this port says to browsers and caches, unless a route has said something else.
fn protect(headers: &mut HeaderMap) {
    let same_origin = HeaderValue::from_static("same-origin");
    let fixed = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // Not `no-referrer`: with that browsers send `Origin: null`, by which a form cannot be told from a forged one.
        (REFERRER_POLICY, same_origin.clone()),
        (HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone()),
        (HeaderName::from_static("cross-origin-resource-policy"), same_origin),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests;
