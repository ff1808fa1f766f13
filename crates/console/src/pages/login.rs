//! Sign-in with the admin token, and sign-out (docs/SPEC.md#admin-sessions).

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{ORIGIN, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::{Html, IntoResponse, Redirect};
use maud::html;

use super::layout::{document, icon};
use crate::attempts::TooManyAttemptsError;
use crate::operator::Operator;
use crate::operator::Peer;
use crate::sign_in::SignInError;
use callsign_core::secret::KeyDigest;

/// `GET /login`: the sign-in form. The parameter `next` is the path to return to. Others are ignored, because a visitor
/// who is not signed in sees no error of parameters.
pub(super) async fn login(RawQuery(query): RawQuery) -> Html<String> {
    let next = field(query.unwrap_or_default().as_bytes(), "next");
    form(None, next.as_deref())
}

/// Returns the first field of a form with this name.
fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form).find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
}

/// `POST /login`: checks the token, begins a session, and redirects to `next`.
pub(super) async fn sign_in(
    State(operator): State<Arc<Operator>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let next = field(&body, "next");
    let token = field(&body, "token").unwrap_or_default();
    let token = token.trim().as_bytes();
    match operator.check_token(token, peer).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            tracing::warn!("console: sign-in failed: wrong admin token");
            let page = form(Some("That is no admin token."), next.as_deref());
            return (StatusCode::FORBIDDEN, page).into_response();
        }
        Err(TooManyAttemptsError(wait)) => {
            let said = format!(
                "Too many wrong tokens. The right one works at once; another try counts in {} seconds.",
                wait.as_secs()
            );
            let page = form(Some(&said), next.as_deref());
            return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait.as_secs().to_string())], page).into_response();
        }
    }
    match operator.sessions.begin(KeyDigest::of(token), is_secure(&headers, peer)) {
        Ok(cookie) => ([(SET_COOKIE, cookie)], Redirect::to(own_path(next.as_deref()))).into_response(),
        Err(error) => {
            tracing::error!(%error, "console: cannot create a session: the system's random source failed");
            (StatusCode::SERVICE_UNAVAILABLE, form(Some("The system's random source failed."), None)).into_response()
        }
    }
}

/// Answers a request whose proxy sent a token that signs nobody in. An admin token still does.
pub(super) fn refused(error: &SignInError) -> Response<Body> {
    let said = match error {
        SignInError::Token { header, .. } => {
            format!("The proxy's token in {header} is not valid. callsign's log says why.")
        }
        SignInError::Several(_) | SignInError::Unlisted { .. } => format!("{error}."),
    };
    (StatusCode::FORBIDDEN, form(Some(&said), None)).into_response()
}

/// `POST /logout`: ends the session.
pub(super) async fn sign_out(
    State(operator): State<Arc<Operator>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let cookie = operator.sessions.end(&headers, is_secure(&headers, peer));
    ([(SET_COOKIE, cookie)], Redirect::to("/login"))
}

/// Returns true if the browser uses TLS, to callsign or (by its `Origin`) to a proxy in front of it.
fn is_secure(headers: &HeaderMap, peer: Peer) -> bool {
    peer.tls || headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Returns `next` if it is a path of this port, else `/`. Browsers read `//host` and `/\host` as other hosts.
pub(super) fn own_path(next: Option<&str>) -> &str {
    let own = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(own).unwrap_or("/")
}

fn form(error: Option<&str>, next: Option<&str>) -> Html<String> {
    let body = html! {
        main.login {
            div.brand { (icon()) "callsign" }
            h1 { "Sign in" }
            form method="post" action="/login" {
                @if let Some(error) = error { p.error #error role="alert" { (error) } }
                @if let Some(next) = next { input type="hidden" name="next" value=(own_path(Some(next))); }
                // Password managers need a user name to store the token under.
                input type="text" name="username" value="admin" autocomplete="username" hidden;
                label for="token" { "Admin token" }
                input #token type="password" name="token" autocomplete="current-password" required autofocus
                    aria-describedby={ "hint" @if error.is_some() { " error" } };
                p.hint #hint { "The value of " code { "CALLSIGN_ADMIN_TOKEN" } ", or a token of " code { "[[admin.tokens]]" } "." }
                button { "Sign in" }
            }
        }
    };
    document("Sign in", "bare", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_redirects_only_to_own_paths() {
        for (next, path) in [
            (None, "/"),
            (Some("/user?id=a%26b"), "/user?id=a%26b"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/a\r\nset-cookie: x"), "/"),
            (Some(""), "/"),
        ] {
            assert_eq!(own_path(next), path, "{next:?}");
        }
    }
}
