//! `/callsign/me`: what `/callsign/v1/me` says, as a page for a person (docs/SPEC.md#me-endpoint).
//!
//! ```text
//! GET  ─► empty form
//! POST ─► own form? ─► key ─► the pipeline, as GET /callsign/v1/me with that key ─► JSON ─► page
//! ```
//!
//! There is no session and no cookie: the key is in the form's body alone, and the answer is the page. The page has no
//! script and nothing that the JSON does not have.

mod page;

use std::pin::Pin;

use bytes::Bytes;
use callsign_core::secret::Secret;
use callsign_core::visible::printable;
use http::header::{ALLOW, X_CONTENT_TYPE_OPTIONS};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;

use super::framing;
use crate::relay::Answer;
use crate::server::{Peer, Upload};

/// The path of the page.
const PAGE: &str = "/callsign/me";
/// The path of its style sheet. The page names it relatively, so both work below a prefix.
const STYLE: &str = "/callsign/me.css";
/// The path of the JSON that the page shows.
const DATA: &str = "/callsign/v1/me";
/// Largest form in bytes. Tokens have a few KiB.
const LONGEST_FORM: usize = 16 * 1024;
/// The content security policy: a style sheet of its own, forms to itself, nothing else.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'self'";

/// Returns true for a request of the page or its style sheet.
pub(super) fn is_page(parts: &Parts, peer: Peer) -> bool {
    // Everything that the pipeline refuses before it looks at the path is refused there.
    matches!(parts.uri.path(), PAGE | STYLE) && peer.shed.is_none() && framing::check(parts).is_ok()
}

/// Answers a request of the page, or returns the key of its form.
pub(super) async fn begin(parts: &Parts, upload: Upload) -> Result<Secret, Box<Response<Answer>>> {
    let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
    match (parts.uri.path(), is_read) {
        (STYLE, true) => Err(Box::new(respond(StatusCode::OK, "text/css; charset=utf-8", page::STYLE.to_owned()))),
        (_, true) => Err(Box::new(html(StatusCode::OK, page::form(None)))),
        (PAGE, false) if parts.method == Method::POST => {
            read_key(parts, upload).await.map_err(|(status, problem)| Box::new(html(status, page::form(Some(problem)))))
        }
        (path, false) => {
            let page = page::form(Some("This address has no such method."));
            let mut answer = html(StatusCode::METHOD_NOT_ALLOWED, page);
            let allow = if path == PAGE { "GET, HEAD, POST" } else { "GET, HEAD" };
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            Err(Box::new(answer))
        }
    }
}

/// Returns the head of the request that the pipeline answers for this key.
///
/// # Errors
/// The page for a text that is no key.
pub(super) fn question(key: &Secret) -> Result<Parts, Box<Response<Answer>>> {
    let invalid = || Box::new(html(StatusCode::UNAUTHORIZED, page::form(Some("This is not a valid key."))));
    let mut credential = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| invalid())?;
    credential.set_sensitive(true);
    let asked = Request::get(DATA).header(HOST, "callsign").header(AUTHORIZATION, credential).body(());
    Ok(asked.map_err(|_| invalid())?.into_parts().0)
}

/// Renders the pipeline's answer.
pub(super) async fn rendered(answer: Response<Answer>) -> Response<Answer> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (head.status, &said) {
        (StatusCode::OK, Value::Object(_)) => html(StatusCode::OK, page::shown(&said)),
        (status, _) => {
            let problem = said.pointer("/error/message").and_then(Value::as_str);
            html(status, page::form(Some(&printable(problem.unwrap_or("Your usage cannot be shown now.")))))
        }
    }
}

/// Reads the key of a form.
async fn read_key(parts: &Parts, upload: Upload) -> Result<Secret, (StatusCode, &'static str)> {
    if !is_own_form(parts) {
        return Err((StatusCode::FORBIDDEN, "The form was sent by another site, or a proxy changes the header Host."));
    }
    let form = read(upload).await.ok_or((StatusCode::BAD_REQUEST, "The form could not be read."))?;
    let mut fields = url::form_urlencoded::parse(&form);
    let key = fields.find(|(name, _)| name == "key").map(|(_, value)| value.trim().to_owned());
    match key.filter(|key| !key.is_empty()) {
        Some(key) => Ok(Secret::new(key)),
        None => Err((StatusCode::BAD_REQUEST, "Enter your key.")),
    }
}

/// Reads a body to its end; `None` if it breaks or is too long.
async fn read(mut upload: Upload) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await {
        read.extend_from_slice(&frame.ok()?.into_data().unwrap_or_default());
        if read.len() > LONGEST_FORM {
            return None;
        }
    }
    Some(read)
}

/// Returns true if the request's `Origin` is the address of the page. Browsers send `Origin` with every POST.
fn is_own_form(parts: &Parts) -> bool {
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let origin: Option<Uri> = origin.to_str().ok().and_then(|origin| origin.parse().ok());
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    match (origin.as_ref().and_then(Uri::authority), host) {
        (Some(authority), Some(host)) => authority.as_str().eq_ignore_ascii_case(host),
        _ => false,
    }
}

fn html(status: StatusCode, page: String) -> Response<Answer> {
    respond(status, "text/html; charset=utf-8", page)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Answer> {
    let mut response = Response::new(Answer::page(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` browsers send `Origin: null` with the form.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
