//! The page of single requests, newest first, with filters, and its CSV file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};

use super::layout::{NoPage, heading, page};
use super::selection::{Query, address, chips, query};
use super::text::{count, duration, link, money_cell, name, name_or};
use super::zone;
use crate::answer::ApiError;
use crate::api::{PATIENCE, filters};
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{RequestFilter, RequestPage, StoredRequest};
use callsign_store::ledger::report::{endings, requests_csv};

/// Requests of a page, and of its CSV file.
const SHOWN: u32 = 50;
/// The periods that can be chosen: the parameter `since`, and its name.
const PERIODS: [(&str, &str); 4] = [("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];
/// The text fields of the filter form.
const FIELDS: [(&str, &str); 7] = [
    ("user", "User"),
    ("tenant", "Tenant"),
    ("key", "App or key"),
    ("model", "Model"),
    ("provider", "Provider"),
    ("status", "Status"),
    ("error", "Error"),
];

/// The query parameters of these pages.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    filter: RequestFilter,
    /// True if the filter form was sent. Its empty fields are no filters.
    is_form: bool,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let is_form = parameters.text("form")?.is_some();
        if is_form {
            parameters.drop_empty();
        }
        let nobody = parameters.text("unattributed")?.is_some();
        let mut filter = filters::of_requests(parameters)?;
        if nobody {
            filter.common.user = Some(String::new());
        }
        Ok(Self { filter, is_form: is_form || nobody })
    }
}

/// `GET /requests`: the page. The filter form is redirected to the address without its empty fields.
pub(super) async fn requests(
    State(operator): State<Arc<Operator>>,
    asked: Asks<Asked>,
) -> Result<Response<Body>, NoPage> {
    let Params(Asked { filter, is_form }) = asked?;
    if is_form {
        return Ok(Redirect::to(&address("/requests", &query(&filter))).into_response());
    }
    let found = operator.reader()?.requests(&filter, SHOWN, PATIENCE).await?;
    let content = html! {
        (heading(&html! { "Requests" }, &periods(&filter)))
        (chips("/requests", &filter))
        (form(&filter))
        @if found.requests.is_empty() && found.next.is_none() {
            div.empty { p { "No request matches." } }
        } @else {
            section.card {
                div.card-head {
                    p { (count(found.requests.len() as u64)) " requests, newest first"
                        @if let Some(at) = found.searched_back_to {
                            ". Searched back to " (super::text::moment(at)) "; older ones may match" } }
                    a.button href=(address("/requests.csv", &with_position(&filter))) download { "Download CSV" }
                }
                (table(&found.requests, true))
                (pages(&filter, &found))
            }
        }
    };
    Ok(page("Requests", "/requests", &content).into_response())
}

/// `GET /requests.csv`: the requests of the page with the same parameters.
pub(super) async fn csv(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Response<Body>, NoPage> {
    let Params(Asked { filter, .. }) = asked?;
    let found = operator.reader()?.requests(&filter, SHOWN, PATIENCE).await?;
    let disposition = "attachment; filename=\"callsign-requests.csv\"";
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, requests_csv(&found.requests)).into_response())
}

/// Returns the parameters of this very page.
fn with_position(filter: &RequestFilter) -> Query {
    let before = filter.before.map(|before| ("before", before.to_string()));
    query(filter).into_iter().chain(before).collect()
}

/// Renders links to the latest hours and days.
fn periods(filter: &RequestFilter) -> Markup {
    let others: Query = query(filter).into_iter().filter(|(name, _)| !["since", "until"].contains(name)).collect();
    let of = |since: &str| {
        let since = [("since", since.to_owned())];
        address("/requests", &since.into_iter().chain(others.clone()).collect())
    };
    html! {
        nav.periods aria-label="Period" {
            ul { @for (since, words) in PERIODS { li { a href=(of(since)) { (since) span.hidden { " (" (words) ")" } } } } }
        }
    }
}

/// Renders the links to the newest and the next older page.
fn pages(filter: &RequestFilter, found: &RequestPage) -> Markup {
    let older = found.next.map(|next| RequestFilter { before: Some(next), ..filter.clone() });
    html! {
        nav.pages aria-label="Pages of requests" {
            @if filter.before.is_some() { a.button href=(address("/requests", &query(filter))) { "Newest" } }
            @if let Some(older) = older { a.button href=(address("/requests", &with_position(&older))) rel="next" { "Older" } }
        }
    }
}

/// Renders the filter form.
fn form(filter: &RequestFilter) -> Markup {
    let query = query(filter);
    let value = |name: &str| query.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str());
    let day = |name: &str| value(name).and_then(|at| at.get(..10));
    html! {
        details.filters {
            summary { "Filter" }
            form action="/requests" {
                (zone::field())
                input type="hidden" name="form" value="1";
                @for (name, label) in FIELDS {
                    label { span { (label) } input name=(name) value=[value(name)] maxlength="512" autocomplete="off" spellcheck="false"; }
                }
                label { span { "Ending" } select name="ending" {
                    option value="" { "any" }
                    @for ending in endings() { option value=(ending) selected[value("ending") == Some(ending)] { (ending.replace('_', " ")) } }
                } }
                label { span { "From (UTC)" } input type="date" name="since" value=[day("since")]; }
                label { span { "Before (UTC)" } input type="date" name="until" value=[day("until")]; }
                label.check { input type="checkbox" name="unattributed" value="1" checked[value("user") == Some("")];
                    span { "Only without a user" } }
                button { "Show" }
            }
        }
    }
}

/// Renders requests. `users` adds a column for the user.
pub(super) fn table(requests: &[StoredRequest], users: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Requests" {
            table {
                caption.hidden { "Requests, newest first" }
                thead { tr {
                    th scope="col" { "Time (" (zone::name()) ")" }
                    @if users { th scope="col" { "User" } }
                    th scope="col" { "App or key" }
                    th scope="col" { "Model" }
                    th scope="col" { "Ending" }
                    th.number scope="col" { "First output" }
                    th.number scope="col" { "Duration" }
                    th.number scope="col" { "Tokens" }
                    th.number scope="col" { "Cost" }
                } }
                tbody { @for request in requests { (line(request, users)) } }
            }
        }
    }
}

fn line(request: &StoredRequest, users: bool) -> Markup {
    let (begun, end) = (&request.begun, request.ended.as_ref());
    let model = end.and_then(|end| end.model.as_deref().or(end.requested_model.as_deref()));
    let ms = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), duration);
    let usage = end.map(|end| end.usage).unwrap_or_default();
    let tokens = usage.prompt_tokens.unwrap_or(0) + usage.completion_tokens.unwrap_or(0);
    let time = jiff::Timestamp::from_microsecond(begun.began_us).unwrap_or_default();
    html! {
        tr {
            th scope="row" {
                a href=(link("/request", &[("id", &begun.id.to_string())])) {
                    time datetime=(time.strftime("%Y-%m-%dT%H:%M:%SZ")) { (zone::clock(time, "%m-%d\u{a0}%H:%M:%S")) }
                }
                @if request.count > 1 { " " small { "× " (count(request.count)) } }
            }
            @if users { td { (name_or(begun.labels.user.as_deref(), "Unattributed")) } }
            td { (name(&begun.labels.key)) }
            td { (name_or(model, "–")) }
            td { (ending(request)) }
            td.number { (ms(end.and_then(|end| end.first_output_us))) }
            td.number { (ms(end.map(|end| end.duration_us))) }
            td.number { @if tokens > 0 { (count(tokens)) } @else { "–" } }
            td.number { (cost(request)) }
        }
    }
}

/// Renders the state of a request: its status, and how it ended unless it is complete.
pub(super) fn ending(request: &StoredRequest) -> Markup {
    let Some(end) = &request.ended else { return html! { span.state.on { "running" } } };
    let words = request.ending().unwrap_or_default().replace('_', " ");
    let is_complete = request.ending() == Some("complete");
    html! {
        @if end.status > 0 { span class=(if end.status >= 400 { "state bad" } else { "state" }) { (end.status) } " " }
        @match &end.error {
            Some(error) => span.bad { (name(error)) },
            None if !is_complete => (words),
            None => {}
        }
    }
}

/// Renders the cost of a request.
pub(super) fn cost(request: &StoredRequest) -> Markup {
    let usage = request.ended.as_ref().map(|end| end.usage).unwrap_or_default();
    let of_providers = usage.provider_cost.unwrap_or(NanoUsd::ZERO);
    html! {
        @match (usage.total_cost(), request.bill()) {
            (Some(cost), _) => (money_cell(cost, of_providers)),
            (None, Bill::Free) => (money_cell(NanoUsd::ZERO, NanoUsd::ZERO)),
            (None, Bill::Never) => span.none { "never known" },
            (None, _) => span.none { "pending" },
        }
    }
}
