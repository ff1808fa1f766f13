//! The admin port: health and metrics for machines, and an API and a console for the operator
//! (docs/SPEC.md#admin-port).
//!
//! ```text
//! request ─► public path? (/healthz /readyz /metrics) ─► known Host? ─► admin token configured?
//!            ─► /api/…: bearer token       ─► api    JSON
//!            ─► else: session, same origin ─► pages  server-rendered HTML, no scripts
//! ```
//!
//! It is not reachable through the data port and does not forward callers' requests. It reads the configuration in
//! force, the ledger and the metrics. It changes only these: it forgets users in ledger and archive, sets and lifts
//! blocks and run-time limits, and begins and ends its own sessions. `test-mapping` with `live` sends one test request upstream.
//!
//! | module | purpose | must not |
//! |---|---|---|
//! | `api` | the JSON routes, one file per subject | answer without the admin token |
//! | `pages` | the console, one file per page: functions from a query to markup | send scripts |
//! | `parameters` | query parameters and JSON bodies; unknown names are errors | let a misspelt filter select everything |
//! | `ask` | queries of ledger and configuration that `api` and `pages` share | change anything |
//! | `forget` | erases a user, for `api` and `pages` | erase before the act is recorded |
//! | `health` | `/readyz` and `/metrics` | name a user |
//! | `operator` | the state that all routes share; checks the admin token | |
//! | `attempts` | limits wrong admin tokens | store the tokens |
//! | `roles` | the tokens of the port, and what each path needs | permit a path that it does not list |
//! | `reads` | records reads about users in the audit log | record each one: one an hour is enough |
//! | `session` | console sessions | store session ids (only their digests) |
//! | [`sign_in`] | the interface to the sign-in by a proxy's token, which the root package implements | sign in on the API |
//! | `host` | checks the `Host` header, against DNS rebinding | |
//! | `answer` | the API's errors, with status, code and JSON shape | send an error with status 200 |
//! | [`self_test`] | the interface to the self-test, which the root package implements | run one itself |
//! | [`reconcile`] | the interface to the reconciliation of costs, which the root package implements | fetch anything itself |
//! | `view` | the parts of the configuration that the console shows | hold a secret |

mod answer;
mod api;
mod ask;
mod attempts;
mod forget;
mod health;
mod host;
mod operator;
mod pages;
mod parameters;
mod reads;
pub mod reconcile;
mod roles;
pub mod self_test;
mod session;
pub mod sign_in;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY};
use axum::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use axum::routing::get;
use tower::ServiceExt;

use answer::ApiError;
use attempts::Attempts;
use callsign_core::secret::Secret;
use host::Hosts;
use operator::Operator;
pub use operator::{AdminDeps, Peer, Probe};
use reads::Reads;
pub use roles::{AdminToken, PROXY, Role};
use roles::{Caller, Need};
use session::Sessions;
use sign_in::RefusedTokens;
pub use view::View;

/// Public paths. They need no token and accept any `Host`, because probes and scrapers use various names.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// The content security policy: the console loads its own style sheet and icon, and no scripts
/// (docs/SPEC.md#admin-access).
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'self'; \
                      img-src 'self'";

/// The settings of the admin port, apart from its address.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `CALLSIGN_ADMIN_TOKEN`. Without it, [`View::admin_tokens`] and a sign-in by a proxy only the public paths answer.
    pub token: Option<Secret>,
    /// `CALLSIGN_ADMIN_HOSTS`: further names in `Host`, in lower case.
    pub hosts: Vec<String>,
}

/// The admin port's request handler.
#[derive(Clone, Debug)]
pub struct Admin {
    operator: Arc<Operator>,
    router: Router,
}

impl Admin {
    /// Creates the handler.
    pub fn new(settings: &Settings, deps: AdminDeps) -> Self {
        let operator = Arc::new(Operator {
            deps,
            token: settings.token.clone(),
            hosts: Hosts::new(settings.hosts.clone()),
            attempts: Attempts::default(),
            sessions: Sessions::default(),
            reads: Reads::default(),
            refused_tokens: RefusedTokens::default(),
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

    /// Checks a request, routes it, and adds the security headers to the response.
    pub async fn answer(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let is_api = parts.uri.path().starts_with("/api/") || OPEN.contains(&parts.uri.path());
        let mut response = match self.admit(&parts, peer).await {
            Err(refusal) => *refusal,
            Ok(caller) => {
                let mut request = Request::from_parts(parts, body);
                request.extensions_mut().insert(peer);
                if let Some(caller) = caller.clone() {
                    request.extensions_mut().insert(caller);
                }
                let page = if is_api { Ok(None) } else { pages::zone::Page::take(request.uri_mut()).map(Some) };
                match page {
                    Ok(None) => self.route(request).await,
                    Ok(Some(page)) => page.render(pages::visitor::scope(caller, self.route(request))).await,
                    Err(error) => pages::refused(error),
                }
            }
        };
        protect(response.headers_mut());
        response
    }

    async fn route(&self, request: Request<Body>) -> Response<Body> {
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Returns the caller of a request, or none for a public path.
    ///
    /// # Errors
    /// The response to a request that may not reach a route.
    async fn admit(&self, parts: &Parts, peer: Peer) -> Result<Option<Caller>, Box<Response<Body>>> {
        let (operator, path) = (&self.operator, parts.uri.path());
        if OPEN.contains(&path) {
            return Ok(None);
        }
        if !operator.hosts.know(parts) {
            return Err(Box::new(ApiError::UnknownHost.into_response()));
        }
        if !operator.admits_anybody() {
            return Err(Box::new(ApiError::NoToken.into_response()));
        }
        let is_api = path.starts_with("/api/");
        let caller = if is_api {
            Some(operator.check_bearer(&parts.headers, peer).await.map_err(|error| Box::new(error.into_response()))?)
        } else {
            pages::caller(operator, parts).await?
        };
        let Some(caller) = caller else { return Ok(None) };
        let need = roles::need(parts);
        if !caller.may(need) {
            let refusal = ApiError::Forbidden(need.words());
            return Err(Box::new(if is_api { refusal.into_response() } else { pages::refused(refusal) }));
        }
        // Only GET and HEAD: every other method needs an operator.
        if need == Need::Persons {
            let state = operator.deps.limiter.operator_state();
            operator.reads.record(state, caller.name(), &roles::subject(parts), path);
        }
        Ok(Some(caller))
    }
}

/// Adds the security and caching headers, except those that a route has set.
fn protect(headers: &mut HeaderMap) {
    let same_origin = HeaderValue::from_static("same-origin");
    let fixed = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // With `no-referrer` browsers send `Origin: null`, so `is_own_form` would refuse the console's own forms.
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
