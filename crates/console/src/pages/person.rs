//! The page of one user: usage, the mapping in force, and the identifiers that were sent.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::json;

use super::actions::{self, Done};
use super::errors;
use super::layout::{NoPage, heading, page, tile};
use super::overview::{requests, spend, spend_note, unpriced};
use super::period::{Period, total};
use super::requests::table;
use super::selection::requests as requests_link;
use super::tables::{Depth, Usage};
use super::text::{count, moment, money, name, name_or, percent, short};
use crate::answer::ApiError;
use crate::api::{PATIENCE, per_endpoint, unmapped};
use crate::ask::tenant_of;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_store::ledger::query::{By, Filter, Found, Mapping, RequestFilter, Split, UsageRow};

/// Maximum number of listed identifiers.
const LISTED: u32 = 50;
/// Number of the latest requests that are listed.
const LATEST: u32 = 10;

/// The query parameters of `GET /user`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    id: String,
    tenant: Option<String>,
    range: Period,
    done: Option<Done>,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let id = parameters.text("id")?.ok_or_else(|| ApiError::Invalid("id is missing: the user's id".to_owned()))?;
        let tenant = parameters.text("tenant")?;
        Ok(Self { id, tenant, range: Period::read(parameters)?, done: parameters.parsed("done", Done::parse)? })
    }
}

/// `GET /user`: the page.
pub(super) async fn person(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(asked) = asked?;
    let (period, now) = (asked.range, Timestamp::now());
    let person = operator.person(&asked.id, asked.tenant.as_deref()).await?;
    let reader = operator.reader()?;
    let tenant = tenant_of(&person);
    let filter = Filter { tenant: Some(tenant.to_owned()), user: Some(person.user.clone()), ..period.filter(now) };
    let points = reader.series(period.step(now), Split::None, &filter).await?;
    let latest =
        RequestFilter { common: Filter { since: None, until: None, ..filter.clone() }, ..RequestFilter::default() };
    let latest_requests = reader.requests(&latest, LATEST, PATIENCE).await?;
    let models = reader.usage(By::Model, &filter).await?;
    let apps = reader.usage(By::Key, &filter).await?;
    let failed = reader.errors(&filter).await?;
    let identifiers = reader.identifiers_of(&person.user, Some(tenant), LISTED).await?;
    let buckets = period.buckets(&points, now);
    let all = total(&buckets);
    let query = vec![("id", person.user.clone()), ("tenant", tenant.to_owned())];
    let limits = super::limits::card(&operator, &person).await;
    let content = html! {
        (heading(&html! { (name(&person.user)) (actions::badge(&operator, person.tenant.as_deref(), &person.user)) }, &period.picker("/user", &query)))
        @if let Some(done) = asked.done { (done.notice()) }
        p.lead {
            @if let Some(tenant) = &person.tenant { "of tenant " (name(tenant)) ", " }
            "sent as " (name_or(person.external_user_id.as_deref(), "nothing")) ", first seen "
            (moment(person.first_seen)) ", " (count(person.requests)) " requests since"
        }
        (tiles(&all))
        (unpriced(&all))
        (actions::cards(&operator, &person))
        div.charts { (spend(period, now, &buckets, &all)) (requests(period, now, &buckets, &all)) }
        div.columns {
            section.card { div.card-head { h2 { "Models" } } (listed(By::Model, &models, period, &filter)) }
            section.card { div.card-head { h2 { "Apps" } } (listed(By::Key, &apps, period, &filter)) }
            (errors::card(&failed, &filter, all.requests.saturating_add(all.refused), Some(12)))
        }
        section.card {
            div.card-head { h2 { "Latest requests" } a href=(requests_link(latest.common.clone())) { "All requests of this user" } }
            (table(&latest_requests.requests, false))
        }
        (limits)
        (known_as(&operator, &person))
        (sent(&identifiers))
    };
    Ok(page(
        &format!("User {}", callsign_core::visible::printable(&person.user).chars().take(60).collect::<String>()),
        "/users",
        &content,
    ))
}

fn tiles(all: &UsageRow) -> Markup {
    let dash = || "–".to_owned();
    html! {
        dl.tiles {
            (tile("Spend", &money(all.total_cost()), &spend_note(all)))
            (tile("Requests", &short(all.requests), &html! { (count(all.errors)) " failed" }))
            (tile("Tokens", &short(all.prompt_tokens + all.completion_tokens),
                &html! { (short(all.prompt_tokens)) " in, " (short(all.completion_tokens)) " out" }))
            (tile("Cache hits", &percent(all.cached_tokens, all.prompt_tokens).unwrap_or_else(dash), &html! { "of prompt tokens" }))
        }
    }
}

fn listed(by: By, rows: &[UsageRow], period: Period, filter: &Filter) -> Markup {
    let table = Usage { by, period, filter, depth: Depth::Brief, sort: None, marks: None };
    html! {
        @if rows.is_empty() { p.none { "Nothing in " (period.words()) "." } }
        @else { (table.table(rows)) }
    }
}

/// Renders the identifiers that would be sent now.
fn known_as(operator: &Operator, person: &Mapping) -> Markup {
    let view = operator.view();
    let endpoints = per_endpoint(&view, person);
    html! {
        section.card {
            div.card-head {
                h2 { "What OpenRouter is told now" }
                p { "were nothing but the user known" }
            }
            @if let Some(reason) = unmapped(&view, person) { p.alert { strong { "Not mapped: " } (reason) "." } }
            div.scroll tabindex="0" role="region" aria-label="Identifiers by endpoint" {
                table {
                    caption.hidden { "Identifiers that would be sent, by endpoint" }
                    thead { tr { th scope="col" { "Endpoint" } th scope="col" { "Members" } } }
                    tbody { @for (endpoint, members) in endpoints.iter().filter(|(_, members)| **members != json!({})) {
                        tr { th scope="row" { code { (endpoint) } } td { code.json { (members.to_string()) } } }
                    } }
                }
            }
        }
    }
}

/// Renders the identifiers that were sent.
fn sent(identifiers: &[Found]) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { "Identifiers seen" } p { "the latest " (LISTED) } }
            @if identifiers.is_empty() { p.none { "None." } }
            @else { (super::whois::found_table(identifiers, false)) }
        }
    }
}
