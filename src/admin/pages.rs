//! The dashboard: pages rendered here, on the server, without a line of script.
//!
//! A page is a function from what was asked to markup. Names of users, models and apps come from outside: maud escapes them,
//! [`text::link`] encodes them, [`text::name`] cuts and isolates them. Pages read roll-ups and the configuration in force;
//! they must not look at single requests, nor change anything but sessions.

mod chart;
mod export;
mod layout;
mod limits;
mod login;
mod mapping;
mod overview;
mod period;
mod person;
mod settings;
mod speed;
mod tables;
mod text;
mod usage;
mod whois;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Response, Uri};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};

use super::Operator;
use super::answer::ApiError;

const STYLE: &str = include_str!("pages/style.css");
const ICON: &str = include_str!("pages/icon.svg");
/// Pages that need no session.
const PUBLIC: [&str; 3] = ["/login", "/style.css", "/icon.svg"];

/// Every page.
pub(super) fn router() -> Router<Arc<Operator>> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/users", get(usage::users))
        .route("/models", get(usage::models))
        .route("/apps", get(usage::apps))
        .route("/speed", get(speed::speed))
        .route("/mapping", get(mapping::mapping))
        .route("/settings", get(settings::settings))
        .route("/user", get(person::person))
        .route("/whois", get(whois::whois))
        .route("/export.csv", get(export::csv))
        .route("/login", get(login::login).post(login::sign_in))
        .route("/logout", post(login::sign_out))
        .route("/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .fallback(layout::not_found)
}

/// What a request is answered instead of a page: it is a form of another site's, or comes from nobody who is signed in.
pub(super) fn refusal(operator: &Operator, parts: &Parts) -> Option<Response<Body>> {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    if !reads && !is_own_form(&parts.headers) {
        return Some(ApiError::ForeignOrigin.into_response());
    }
    if PUBLIC.contains(&parts.uri.path()) || operator.sessions.know(&parts.headers) {
        return None;
    }
    let next = parts.uri.path_and_query().map(PathAndQuery::as_str).filter(|target| reads && *target != "/");
    let login = next.map_or_else(|| "/login".to_owned(), |next| text::link("/login", &[("next", next)]));
    Some(Redirect::to(&login).into_response())
}

/// Whether a form was sent by a page of this very origin. Browsers say so in `Origin`, with every POST; the cookie's
/// `SameSite=Strict` stands beside it.
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

/// Something that stays the same until the program changes.
fn asset(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=3600")], content)
}

#[cfg(test)]
mod tests;
