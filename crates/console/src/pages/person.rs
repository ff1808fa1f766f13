//! The page of one user: usage, the mapping in force, and the identifiers that were sent.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::layout::{NoPage, heading, page, tile};
use super::overview::{requests, spend};
use super::period::{Period, add};
use super::tables::{self, Depth};
use super::text::{average, count, moment, money, name, name_or, percent, short};
use crate::api::{per_endpoint, unmapped};
use crate::ask::tenant_of;
use crate::operator::Operator;
use callsign_store::ledger::query::{By, Filter, Found, Mapping, Split, UsageRow};

/// Maximum number of listed identifiers.
const LISTED: u32 = 50;

/// The query parameters of `GET /user`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Asked {
    id: String,
    tenant: Option<String>,
    #[serde(default)]
    range: Period,
}

/// `GET /user`: the page.
pub(super) async fn person(
    State(operator): State<Arc<Operator>>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, NoPage> {
    let (period, now) = (asked.range, Timestamp::now());
    let person = operator.person(&asked.id, asked.tenant.as_deref()).await?;
    let reader = operator.reader()?;
    let tenant = tenant_of(&person);
    let filter = Filter { tenant: Some(tenant.to_owned()), user: Some(person.user.clone()), ..period.filter(now) };
    let points = reader.series(period.step(), Split::None, &filter).await?;
    let models = reader.usage(By::Model, &filter).await?;
    let apps = reader.usage(By::App, &filter).await?;
    let identifiers = reader.identifiers_of(&person.user, Some(tenant), LISTED).await?;
    let buckets = period.buckets(&points, now);
    let mut all = UsageRow::default();
    for bucket in &buckets {
        add(&mut all, &bucket.sums);
    }
    let query = [("id", person.user.as_str()), ("tenant", tenant)];
    let limits = super::limits::card(&operator, &person).await;
    let content = html! {
        (heading(&html! { (name(&person.user)) }, &period.picker("/user", &query)))
        p.lead {
            @if let Some(tenant) = &person.tenant { "of tenant " (name(tenant)) ", " }
            "known outside as " (name_or(person.external_user_id.as_deref(), "nobody")) ", first seen "
            (moment(person.first_seen)) ", " (count(person.requests)) " requests since"
        }
        (tiles(&all))
        div.charts { (spend(period, &buckets, &all)) (requests(period, &buckets, &all)) }
        div.columns {
            section.card { div.card-head { h2 { "Models" } } (listed(By::Model, &models, period)) }
            section.card { div.card-head { h2 { "Apps" } } (listed(By::App, &apps, period)) }
        }
        (limits)
        (known_as(&operator, &person))
        (sent(&identifiers))
        p.hint { "To erase this person and keep the sums: " code { "callsign forget" } ", or "
            code { "DELETE /api/v1/admin/users/{user_id}" } ". To stop them: " code { "callsign block" } ", or "
            code { "PUT /api/v1/admin/users/{user_id}/block" } "." }
    };
    Ok(page(
        &format!("User {}", callsign_store::ledger::report::plain(&person.user).chars().take(60).collect::<String>()),
        "/users",
        &content,
    ))
}

fn tiles(all: &UsageRow) -> Markup {
    let dash = || "–".to_owned();
    html! {
        dl.tiles {
            (tile("Spend", &money(all.cost), &html! { @if all.charged != all.cost { "charged " (money(all.charged)) } @else { "as OpenRouter charged" } }))
            (tile("Requests", &short(all.requests), &html! { (count(all.errors)) " failed" }))
            (tile("Tokens", &short(all.prompt_tokens + all.completion_tokens),
                &html! { (short(all.prompt_tokens)) " in, " (short(all.completion_tokens)) " out" }))
            (tile("Cache hits", &percent(all.cached_tokens, all.prompt_tokens).unwrap_or_else(dash), &html! { "of prompt tokens" }))
            (tile("First token", &average(all.first_byte_us, all.first_bytes).unwrap_or_else(dash), &html! { "on average" }))
        }
    }
}

fn listed(by: By, rows: &[UsageRow], period: Period) -> Markup {
    html! {
        @if rows.is_empty() { p.none { "Nothing in the last " (period.words()) "." } }
        @else { (tables::usage(by, rows, period, Depth::Brief)) }
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
