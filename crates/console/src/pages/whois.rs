//! The page that finds the user of an identifier that OpenRouter or a provider reports.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};

use super::layout::{NoPage, heading, page};
use super::period::Period;
use super::tables::{nothing, person};
use super::text::{count, link, moment, name, name_or};
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_core::visible::printable;
use callsign_store::ledger::query::{By, Found};
use callsign_store::whois::{Answer, Candidates, Question};

/// The query parameters of `GET /whois`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    id: String,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { id: parameters.text("id")?.unwrap_or_default() })
    }
}

/// `GET /whois`: the page. A request id or a generation id leads to its request.
pub(super) async fn whois(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Response<Body>, NoPage> {
    let Params(asked) = asked?;
    let identifier = asked.id.trim();
    if !identifier.is_empty() && !operator.reader()?.request(identifier).await?.is_empty() {
        return Ok(Redirect::to(&link("/request", &[("id", identifier)])).into_response());
    }
    let answer = if identifier.is_empty() {
        Answer::default()
    } else {
        let question = Question { identifier, tenant: None, candidates: &Candidates::default() };
        callsign_store::whois::ask(operator.view().whois_scope(), operator.reader()?, question).await?
    };
    let content = html! {
        (heading(&html! { "Who is " @if !identifier.is_empty() { (name(identifier)) } "?" }, &html! {}))
        @if answer.found.is_empty() {
            div.empty {
                @if identifier.is_empty() {
                    p { "Put an identifier into the box above: one that was sent, a session, chat, message or generation id, or "
                        "what a provider reports." }
                } @else {
                    p { "This identifier is " (answer.absence()) "." }
                    @for note in answer.notes() { p { "Note: " (printable(&note)) ". That is not a finding." } }
                    p { "Identifiers are compared as they were sent, to the letter. A hash can be tried against a list of users: "
                        code { "callsign whois ID --candidates FILE" } "." }
                    @if operator.view().org_ids.is_empty() {
                        p { "What a provider reports is " code { "sha256(ORG_ID-user)" } "; set " code { "OPENROUTER_ORG_ID" }
                            " to have that resolved." }
                    }
                }
            }
        } @else {
            section.card { (found_table(&answer.found, true)) }
        }
    };
    Ok(page("Who is", "/whois", &content).into_response())
}

/// Renders the matches. `users` adds a column for the user.
pub(super) fn found_table(found: &[Found], users: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Identifiers" {
            table {
                caption.hidden { "Identifiers, the latest first" }
                thead {
                    tr {
                        th scope="col" { "Kind" }
                        @if users { th scope="col" { "User" } th scope="col" { "Tenant" } } @else { th scope="col" { "Identifier" } }
                        th scope="col" { "Key" }
                        th.number scope="col" { "Requests" }
                        th scope="col" { "First seen" }
                        th scope="col" { "Last seen" }
                    }
                }
                tbody {
                    @for one in found {
                        tr {
                            th scope="row" { (one.kind.name()) }
                            @if users {
                                td {
                                    @if let Some(user) = &one.user {
                                        a href=(person(user, one.tenant.as_deref(), Period::default())) { (name(user)) }
                                    } @else { span.none { (nothing(By::User)) } }
                                }
                                td { (name_or(one.tenant.as_deref(), "–")) }
                            } @else { td { (name(&one.identifier)) } }
                            td { (name_or(one.key.as_deref(), "–")) }
                            td.number { (count(one.requests)) }
                            td { @if let Some(at) = one.first_seen { (moment(at)) } @else { "–" } }
                            td { @if let Some(at) = one.last_seen { (moment(at)) } @else { "–" } }
                        }
                    }
                }
            }
        }
    }
}
