//! The page of times to the first token, by user and model.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};

use super::chart::share;
use super::layout::{NoPage, heading, page};
use super::period::Period;
use super::tables::person;
use super::text::{average, count, name, name_or};
use super::usage::Asked;
use crate::operator::Operator;
use callsign_store::ledger::query::{By, Latency};

/// Maximum number of rows. Those with the most requests are shown.
const SHOWN: u32 = 200;

/// `GET /speed`: the page.
pub(super) async fn speed(
    State(operator): State<Arc<Operator>>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, NoPage> {
    let period = asked.range;
    let (reader, filter) = (operator.reader()?, period.filter(Timestamp::now()));
    let models = reader.usage(By::Model, &filter).await?.into_iter();
    let mut models: Vec<_> = models
        .filter(|row| row.first_bytes > 0)
        .map(|row| Latency {
            tenant: None,
            user: None,
            model: row.key,
            first_byte_us: row.first_byte_us,
            first_bytes: row.first_bytes,
        })
        .collect();
    models.sort_by_key(|row| std::cmp::Reverse(row.first_bytes));
    let pairs = reader.latencies(&filter, SHOWN).await?;
    let content = html! {
        (heading(&html! { "Time to first token" }, &period.picker("/speed", &[])))
        @if pairs.is_empty() && models.is_empty() {
            div.empty { p { "No answer in the last " (period.words()) "." } }
        } @else {
            section.card { div.card-head { h2 { "By model" } } (table(&models, period, false)) }
            section.card {
                div.card-head { h2 { "By user and model" } p { "The " (count(pairs.len() as u64)) " with the most answers" } }
                (table(&pairs, period, true))
            }
        }
    };
    Ok(page("Speed", "/speed", &content))
}

fn table(rows: &[Latency], period: Period, users: bool) -> Markup {
    let mean = |row: &Latency| row.first_byte_us.checked_div(row.first_bytes).unwrap_or(0);
    let slowest = rows.iter().map(mean).max().unwrap_or(0);
    let label = if users { "Time to first token by user and model" } else { "Time to first token by model" };
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                caption.hidden { (label) }
                thead {
                    tr {
                        @if users { th scope="col" { "User" } }
                        th scope="col" { "Model" }
                        th.bar scope="col" { span.hidden { "Share of the slowest" } }
                        th.number scope="col" { "Average" }
                        th.number scope="col" { "Answers" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @if users {
                                th scope="row" {
                                    @if let Some(user) = &row.user {
                                        a href=(person(user, row.tenant.as_deref(), period)) { (name(user)) }
                                        @if let Some(tenant) = &row.tenant { " " small { (name(tenant)) } }
                                    } @else { span.none { "nobody named" } }
                                }
                                td { (name_or(row.model.as_deref(), "unknown model")) }
                            } @else {
                                th scope="row" { (name_or(row.model.as_deref(), "unknown model")) }
                            }
                            td.bar { (share(mean(row), slowest)) }
                            td.number { (average(row.first_byte_us, row.first_bytes).unwrap_or_default()) }
                            td.number { (count(row.first_bytes)) }
                        }
                    }
                }
            }
        }
    }
}
