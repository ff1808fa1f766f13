//! The console: HTML pages that are rendered on the server, without scripts.
//!
//! A page is a function from query parameters to markup. Names of users, models and apps are untrusted: maud escapes
//! them, [`text::link`] encodes them in URLs, and [`text::name`] truncates and isolates them. Pages that
//! sum up read sums; only the pages of requests read single ones.

mod actions;
mod attribution;
mod audit;
mod chart;
mod costs;
mod errors;
mod export;
mod forget;
mod keys;
mod layout;
mod limits;
mod login;
mod mapping;
mod marks;
mod overview;
mod period;
mod person;
mod request;
mod requests;
mod selection;
mod settings;
mod speed;
mod tables;
mod text;
mod usage;
pub(crate) mod visitor;
mod whois;
pub(crate) mod zone;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Response, Uri};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};

use crate::answer::ApiError;
use crate::operator::Operator;
use crate::roles::Caller;

const STYLE: &str = include_str!("pages/style.css");
/// Pages that need no session.
const PUBLIC: [&str; 3] = ["/login", "/style.css", "/icon.svg"];

/// Returns the routes of all pages.
pub(super) fn router() -> Router<Arc<Operator>> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/requests", get(requests::requests))
        .route("/requests.csv", get(requests::csv))
        .route("/request", get(request::request))
        .route("/users", get(usage::users))
        .route("/models", get(usage::models))
        .route("/providers", get(usage::providers))
        .route("/apps", get(usage::apps))
        .route("/costs", get(costs::costs))
        .route("/costs/reconcile", post(costs::reconcile))
        .route("/errors", get(errors::errors))
        .route("/speed", get(speed::speed))
        .route("/mapping", get(mapping::mapping))
        .route("/settings", get(settings::settings))
        .route("/user", get(person::person))
        .route("/alerts/test", post(settings::test_alert))
        .route("/user/block", post(actions::block))
        .route("/user/unblock", post(actions::unblock))
        .route("/user/limits", post(actions::set_limit))
        .route("/user/limits/reset", post(actions::reset_limits))
        .route("/user/forget", get(forget::ask).post(forget::forget))
        .route("/keys", get(keys::keys).post(keys::create))
        .route("/keys/key", get(keys::key))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/revoke", post(keys::revoke))
        .route("/keys.csv", get(keys::csv))
        .route("/audit", get(audit::audit))
        .route("/audit.csv", get(audit::csv))
        .route("/whois", get(whois::whois))
        .route("/export.csv", get(export::csv))
        .route("/login", get(login::login).post(login::sign_in))
        .route("/logout", post(login::sign_out))
        .route("/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/icon.svg", get(|| async { asset("image/svg+xml", layout::ICON) }))
        .fallback(layout::not_found)
}

/// Returns the caller of a request for a page: the token of the session, if it is still configured, else the user in the
/// token of a proxy. None for a page that needs no session.
///
/// # Errors
/// The response to a request that may not see the page: an error for a form of another origin or for a proxy's token, or
/// a redirect to the sign-in page.
pub(super) async fn caller(operator: &Operator, parts: &Parts) -> Result<Option<Caller>, Box<Response<Body>>> {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    if !reads && !is_own_form(&parts.headers) {
        return Err(Box::new(ApiError::ForeignOrigin.into_response()));
    }
    if PUBLIC.contains(&parts.uri.path()) {
        return Ok(None);
    }
    if let Some(caller) = operator.sessions.token(&parts.headers).and_then(|token| operator.caller_of(&token)) {
        return Ok(Some(caller));
    }
    match operator.deps.sign_in.user(&parts.headers).await {
        Ok(None) => {}
        Ok(Some(user)) => return Ok(Some(Caller::of_proxy(&user.name, user.role, user.persons))),
        Err(error) => {
            operator.refused_tokens.log(&error, Instant::now());
            return Err(Box::new(login::refused(&error)));
        }
    }
    let next = parts.uri.path_and_query().map(PathAndQuery::as_str).filter(|target| reads && *target != "/");
    let login = next.map_or_else(|| "/login".to_owned(), |next| text::link("/login", &[("next", next)]));
    Err(Box::new(Redirect::to(&login).into_response()))
}

/// Returns an error as a page.
pub(super) fn refused(error: ApiError) -> Response<Body> {
    layout::NoPage::from(error).into_response()
}

/// Returns true if the request's `Origin` is this port's own. Browsers send `Origin` with every POST. The cookie's
/// `SameSite=Strict` is a second protection against forged forms.
fn is_own_form(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let origin: Option<Uri> = origin.to_str().ok().and_then(|origin| origin.parse().ok());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin.as_ref().and_then(Uri::authority), host) {
        (Some(authority), Some(host)) => authority.as_str().eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Returns a static file that browsers may cache for an hour.
fn asset(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=3600")], content)
}

#[cfg(test)]
mod tests;
