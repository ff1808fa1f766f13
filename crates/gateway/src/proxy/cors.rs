//! Cross-origin requests from browsers, for the origins in `CALLSIGN_CORS_ORIGINS`.
//!
//! OpenRouter's own `access-control-*` headers belong to OpenRouter's origin; `rewrite::headers` removes them.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode};

use crate::relay::Answer;
use callsign_core::endpoint::{Endpoint, RouteError};

/// Response headers that scripts may read, besides the safelisted ones.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-generation-id, x-callsign-request-id, x-callsign-error, retry-after, x-should-retry, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests",
);
/// A browser asks with this header whether a public page may call a server in a private network.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
/// The answer to [`REQUEST_PRIVATE_NETWORK`].
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The allowed origins.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    /// Allows these origins, for example `https://app.example`. `*` allows every origin; the configuration refuses it.
    pub fn new(origins: Vec<HeaderValue>) -> Self {
        Self { origins }
    }

    /// Returns the response to a preflight request of an allowed origin for an exposed path. Returns `None` for every
    /// other request, which is then handled as usual. `ledger` is true if requests are recorded: some paths are exposed
    /// only then.
    pub fn preflight(&self, parts: &Parts, ledger: bool) -> Option<Response<Answer>> {
        if self.origins.is_empty() || parts.method != Method::OPTIONS {
            return None;
        }
        self.allowed(&parts.headers)?;
        parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let found = Endpoint::find(&Method::OPTIONS, parts.uri.path(), false, ledger);
        let exposed = !matches!(found, Err(RouteError::NotExposed));
        let mut response = Response::new(Answer::empty());
        if !exposed {
            return None;
        }
        *response.status_mut() = StatusCode::NO_CONTENT;
        self.allow(&parts.headers, response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
        if let Some(asked) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        if parts.headers.get(REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == "true") {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// Adds the headers that let scripts of an allowed origin read the response.
    pub fn allow(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if let Some(origin) = self.allowed(request) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            response.append(VARY, HeaderValue::from_static("origin"));
        }
    }

    /// Returns the request's origin if it is allowed.
    fn allowed<'a>(&self, request: &'a HeaderMap) -> Option<&'a HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = request.get(ORIGIN)?;
        self.origins.iter().any(|allowed| allowed == origin || allowed == "*").then_some(origin)
    }
}
