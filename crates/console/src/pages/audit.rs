//! The page of blocks in force and of the audit log, latest first.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use jiff::Timestamp;
use maud::{Markup, html};

use super::actions::Done;
use super::layout::{NoPage, heading, page};
use super::text::{count, here, moment, name, name_or};
use super::zone;
use crate::answer::ApiError;
use crate::api::audit::Search;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_store::limits::acts::report::acts_csv;
use callsign_store::limits::acts::{Act, MOST_ACTS};
use callsign_store::limits::blocks::Block;

/// Maximum number of acts on the page. The CSV file has all.
const SHOWN: usize = 300;

/// The query parameters of `GET /audit`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    search: Search,
    done: Option<Done>,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { search: Search::read(parameters)?, done: parameters.parsed("done", Done::parse)? })
    }
}

/// `GET /audit`: the page.
pub(super) async fn audit(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(Asked { search, done }) = asked?;
    let state = operator.deps.limiter.operator_state();
    let now = Timestamp::now();
    let mut blocks = state.blocks();
    blocks.retain(|block| block.holds(now));
    blocks.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.id.cmp(&b.id)));
    let acts = state.acts(search.since, search.by.as_deref());
    let content = html! {
        (heading(&html! { "Audit" }, &html! {}))
        @if let Some(done) = done { (done.notice()) }
        (in_force(&blocks))
        section.card {
            div.card-head {
                h2 { "Acts of operators" }
                p { (count(acts.len() as u64)) " of at most " (count(MOST_ACTS as u64)) ", latest first" }
                a.button href=(here("/audit.csv")) download { "Download CSV" }
            }
            @if acts.is_empty() { p.none { "None." } } @else { (log(acts.get(..SHOWN).unwrap_or(&acts))) }
        }
    };
    Ok(page("Audit", "/audit", &content))
}

/// `GET /audit.csv`: all acts.
pub(super) async fn csv(State(operator): State<Arc<Operator>>, asked: Asks<Search>) -> Result<Response<Body>, NoPage> {
    let Params(Search { since, by }) = asked?;
    let acts = operator.deps.limiter.operator_state().acts(since, by.as_deref());
    let disposition = "attachment; filename=\"callsign-audit.csv\"";
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, acts_csv(&acts)).into_response())
}

fn in_force(blocks: &[Block]) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { "Blocks in force" } p { (count(blocks.len() as u64)) " set while callsign runs" } }
            @if blocks.is_empty() { p.none { "Nobody is blocked." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Blocks in force" {
                    table {
                        caption.hidden { "Blocks in force, latest first" }
                        thead { tr {
                            th scope="col" { "Id" } th scope="col" { "Tenant" } th scope="col" { "Since" } th scope="col" { "Until" }
                            th scope="col" { "Reason" } th scope="col" { span.hidden { "Action" } }
                        } }
                        tbody { @for block in blocks { tr {
                            th scope="row" { (name(&block.id)) @if block.forgotten { " " small { "forgotten" } } }
                            td { @match block.tenant.as_deref() { None => "any", Some("") => "–", Some(tenant) => (name(tenant)) } }
                            td { (moment(block.since)) }
                            td { @match block.until { Some(until) => (moment(until)), None => "–" } }
                            td { (name_or(block.reason.as_deref(), "–")) }
                            td { form method="post" action=(here("/user/unblock")) {
                                input type="hidden" name="id" value=(block.id);
                                @if let Some(tenant) = &block.tenant { input type="hidden" name="tenant" value=(tenant); }
                                input type="hidden" name="from" value="audit";
                                button { "Unblock" span.hidden { " " (name(&block.id)) } }
                            } }
                        } } }
                    }
                }
            }
        }
    }
}

fn log(acts: &[Act]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Acts of operators" {
            table {
                caption.hidden { "Acts of operators, latest first" }
                thead { tr {
                    th scope="col" { "Time (" (zone::name()) ")" } th scope="col" { "By" } th scope="col" { "Act" } th scope="col" { "User" }
                    th scope="col" { "Tenant" } th scope="col" { "Detail" }
                } }
                tbody { @for act in acts { tr {
                    th scope="row" { (moment(act.at)) }
                    td { (name(&act.by)) }
                    td { (name(&act.act.replace('_', " "))) }
                    td { (name(&act.subject)) @if act.forgotten { " " small { "forgotten" } } }
                    td { (name_or(act.tenant.as_deref().filter(|tenant| !tenant.is_empty()), "–")) }
                    td { (name_or(act.detail.as_deref(), "–")) }
                } } }
            }
        }
    }
}
