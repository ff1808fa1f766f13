//! The page of errors by kind, each with its cause and the requests behind it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};

use super::chart::share;
use super::layout::{NoPage, heading, page};
use super::selection::{address, query};
use super::text::{count, name, percent};
use super::usage::Asked;
use crate::operator::Operator;
use crate::parameters::{Asks, Params};
use callsign_core::error_code::ErrorCode;
use callsign_store::ledger::query::{By, Errors, Filter, RequestFilter};

/// `GET /errors`: the page.
pub(super) async fn errors(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(Asked { range }) = asked?;
    let (reader, filter) = (operator.reader()?, range.filter(Timestamp::now()));
    let errors = reader.errors(&filter).await?;
    let all = reader.usage(By::Provider, &filter).await?;
    let requests = all.iter().map(|row| row.requests.saturating_add(row.refused)).fold(0, u64::saturating_add);
    let content = html! {
        (heading(&html! { "Errors" }, &range.picker("/errors", &Vec::new())))
        (card(&errors, &filter, requests, None))
    };
    Ok(page("Errors", "/errors", &content))
}

/// Returns the cause of an error that is one of callsign's own.
fn cause(kind: &str) -> Option<&'static str> {
    ErrorCode::find(kind).map(|code| code.row().cause)
}

/// Renders errors by kind, at most `most` of them. Without a maximum each has its cause, with one it is a tooltip.
pub(super) fn card(errors: &[Errors], filter: &Filter, requests: u64, most: Option<usize>) -> Markup {
    let largest = errors.iter().map(|error| error.requests).max().unwrap_or(0);
    let behind = |kind: &str| {
        let common = Filter { ..filter.clone() };
        address(
            "/requests",
            &query(&RequestFilter { common, error: Some(kind.to_owned()), ..RequestFilter::default() }),
        )
    };
    let shown = errors.get(..most.unwrap_or(errors.len())).unwrap_or(errors);
    html! {
        section.card {
            div.card-head { h2 { "Errors by kind" } p { "refused by callsign, or failed at OpenRouter" } }
            @if errors.is_empty() { p.none { "None." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Errors by kind" {
                    table {
                        caption.hidden { "Errors by kind, most first" }
                        thead { tr {
                            th scope="col" { "Kind" } th.bar scope="col" { span.hidden { "Share of the most frequent" } }
                            th.number scope="col" { "Requests" } th.number scope="col" { "Of all" }
                            @if most.is_none() { th scope="col" { "By" } th scope="col" { "Cause" } }
                        } }
                        tbody { @for error in shown {
                            tr {
                                th scope="row" title=[cause(&error.kind).filter(|_| most.is_some())] {
                                    a href=(behind(&error.kind)) { (name(&error.kind)) }
                                }
                                td.bar { (share(error.requests, largest)) }
                                td.number { (count(error.requests)) }
                                td.number { (percent(error.requests, requests).unwrap_or_else(|| "–".to_owned())) }
                                @if most.is_none() {
                                    td { @if cause(&error.kind).is_some() { "callsign" } @else { "OpenRouter" } }
                                    td { @match cause(&error.kind) { Some(cause) => (cause), None => "–" } }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_cause_and_its_requests() {
        let of = |kind: &str, most| {
            card(&[Errors { kind: kind.to_owned(), requests: 1 }], &Filter::default(), 1, most).into_string()
        };
        let cause = ErrorCode::WebsocketUnsupported.row().cause;
        let own = of("websocket_unsupported", Some(3));
        assert!(own.contains(&format!("<th scope=\"row\" title=\"{cause}\">")), "{own}");
        assert!(own.contains("href=\"/requests?error=websocket_unsupported\""), "{own}");
        assert!(of("websocket_unsupported", None).contains(&format!("<td>{cause}</td>")));
        let other = of("server_error", None);
        assert!(
            !other.contains("title=") && other.contains("<td>OpenRouter</td>"),
            "an error of OpenRouter has no cause here"
        );
    }
}
