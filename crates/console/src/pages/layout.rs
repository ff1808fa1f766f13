//! The frame of all pages (head, navigation, search box, sign-out), and error pages.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::response::{Html, IntoResponse};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::here;
use super::{visitor, zone};
use crate::answer::ApiError;
use crate::operator::Operator;
use callsign_store::ledger::LedgerError;

/// The logo.
pub(super) const ICON: &str = include_str!("icon.svg");
/// The navigation's paths and labels.
const NAVIGATION: [(&str, &str); 12] = [
    ("/", "Overview"),
    ("/requests", "Requests"),
    ("/users", "Users"),
    ("/models", "Models"),
    ("/providers", "Providers"),
    ("/apps", "Apps"),
    ("/errors", "Errors"),
    ("/speed", "Speed"),
    ("/mapping", "Mapping"),
    ("/keys", "Keys"),
    ("/audit", "Audit"),
    ("/settings", "Settings"),
];

/// Renders a page for a signed-in operator. `path` selects the current entry of the navigation.
pub(super) fn page(title: &str, path: &str, content: &Markup) -> Html<String> {
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        header.top {
            a.brand href=(here("/")) { (icon()) "callsign" }
            nav aria-label="Pages" {
                ul {
                    @for (target, name) in NAVIGATION {
                        li { a href=(here(target)) aria-current=[(target == path).then_some("page")] { (name) } }
                    }
                }
            }
            form.search role="search" action="/whois" {
                (zone::field())
                label.hidden for="whois-box" { "Find a user, an identifier, a request id or a generation id" }
                input #whois-box type="search" name="id" placeholder="Find any id…" autocomplete="off" spellcheck="false"
                    maxlength="2048" required;
                button { "Find" }
            }
            (visitor::sign_out())
        }
        main #main tabindex="-1" { (content) }
        footer { "callsign " (env!("CARGO_PKG_VERSION")) " · all times " (zone::name()) " · sums by the hour" (zone::form()) }
    };
    document(title, "app", &body)
}

/// Renders an HTML document.
pub(super) fn document(title: &str, class: &str, body: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · callsign" }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                link rel="stylesheet" href={ "/style.css?" (env!("CARGO_PKG_VERSION")) };
            }
            body class=(class) { (body) }
        }
    };
    Html(page.into_string())
}

/// Renders the logo. It is hidden from screen readers because the name follows as text.
pub(super) fn icon() -> Markup {
    html! { span.mark aria-hidden="true" { (PreEscaped(ICON)) } }
}

/// Renders a page's heading, with `aside` to its right.
pub(super) fn heading(title: &Markup, aside: &Markup) -> Markup {
    html! { div.heading { h1 { (title) } (aside) } }
}

/// Renders a number with its name and a note.
pub(super) fn tile(name: &str, value: &str, note: &Markup) -> Markup {
    html! { div { dt { (name) } dd.value { (value) } dd.note { (note) } } }
}

/// An error that is shown as a page.
pub(super) struct NoPage(ApiError);

impl<E: Into<ApiError>> From<E> for NoPage {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for NoPage {
    fn into_response(self) -> Response<Body> {
        let status = self.0.status();
        if !matches!(self.0, ApiError::Ledger(LedgerError::Off)) && status.is_server_error() {
            tracing::warn!(error = %self.0, "console: cannot show a page");
        }
        let title = match &self.0 {
            ApiError::Ledger(LedgerError::Off) => "The ledger is off",
            ApiError::Ledger(_) => "The ledger is unavailable",
            ApiError::NoUser => "Unknown user",
            ApiError::Forbidden(_) => "Not permitted",
            ApiError::NoRequest => "Unknown request",
            ApiError::SeveralTenants(_) => "Several users have this id",
            _ if status == StatusCode::NOT_FOUND => "Not found",
            _ => "This page cannot be shown",
        };
        let content = html! {
            div.empty {
                h1 { (title) }
                @match &self.0 {
                    ApiError::Ledger(LedgerError::Off) => {
                        p { "Usage and spend are read from the ledger. Set a data directory with "
                            code { "CALLSIGN_DATA_DIR" } " or a database with " code { "CALLSIGN_LEDGER" }
                            ", and restart callsign." }
                        p { a href=(here("/settings")) { "Valves, formats and sources" } " work without a ledger." }
                    }
                    ApiError::NoRoute => p { "There is no page at this address." }
                    error => p { (error) "." }
                }
                p { a href=(here("/")) { "Back to the overview" } }
            }
        };
        (status, page(title, "", &content)).into_response()
    }
}

/// Answers any other path with an error page.
pub(super) async fn not_found(State(_): State<Arc<Operator>>) -> NoPage {
    NoPage(ApiError::NoRoute)
}
