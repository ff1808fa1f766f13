//! The first page: spend, requests, and problems.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};

use super::chart::{Chart, Column, share};
use super::layout::{NoPage, heading, page, tile};
use super::period::{Bucket, Period, total};
use super::tables::{self, Depth};
use super::text::{count, link, money, percent, short};
use super::usage::Asked;
use crate::api::success_rate;
use crate::operator::Operator;
use crate::parameters::{Asks, Params};
use callsign_core::error_code::ErrorCode;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Errors, Split, Statistics, UsageRow};
use callsign_store::ledger::report::usd;

/// Rows of each list. Each list's own page has more.
const BRIEF: usize = 6;

/// `GET /`: the page.
pub(super) async fn overview(
    State(operator): State<Arc<Operator>>,
    asked: Asks<Asked>,
) -> Result<Html<String>, NoPage> {
    let Params(asked) = asked?;
    let (period, now) = (asked.range, Timestamp::now());
    let (reader, filter) = (operator.reader()?, period.filter(now));
    let points = reader.series(period.step(), Split::None, &filter).await?;
    let statistics = reader.statistics().await?;
    let buckets = period.buckets(&points, now);
    let all = total(&buckets);
    let content = if all.requests == 0 && statistics.users == 0 {
        html! { (heading(&html! { "Overview" }, &html! {})) (tiles(&operator, &all, &statistics)) (first_steps(&operator)) }
    } else {
        let users = reader.usage(By::User, &filter).await?;
        let models = reader.usage(By::Model, &filter).await?;
        let apps = reader.usage(By::Key, &filter).await?;
        let errors = reader.errors(&filter).await?;
        html! {
            (heading(&html! { "Overview" }, &period.picker("/", &[])))
            @if !statistics.collisions.is_empty() {
                p.alert role="alert" {
                    strong { "Identifiers collide. " }
                    "OpenRouter cannot tell " (count(statistics.collisions.iter().map(|c| c.users.len() as u64).sum()))
                    " of your users apart. " a href="/mapping" { "See which" }
                }
            }
            (tiles(&operator, &all, &statistics))
            (unpriced(&all))
            div.charts { (spend(period, &buckets, &all)) (requests(period, &buckets, &all)) (cached(period, &buckets, &all)) }
            div.columns {
                (brief("Users", "/users", By::User, &users, period))
                (brief("Models", "/models", By::Model, &models, period))
                (brief("Apps", "/apps", By::Key, &apps, period))
                (failures(&errors, all.requests.saturating_add(all.refused)))
            }
        }
    };
    Ok(page("Overview", "/", &content))
}

fn tiles(operator: &Operator, all: &UsageRow, statistics: &Statistics) -> Markup {
    let dash = || "–".to_owned();
    let deps = &operator.deps;
    let (ledger, ledger_note) = match (deps.ledger.is_on(), deps.ledger.is_available()) {
        (false, _) => ("Off", html! { "nothing is written down" }),
        (true, true) => ("Writing", html! { "every request is written down" }),
        (true, false) => ("Failing", html! { span.bad { "new requests are refused" } }),
    };
    let failed = percent(all.errors, all.requests).unwrap_or_else(dash);
    html! {
        dl.tiles {
            (tile("Spend", &money(all.total_cost()), &spend_note(all)))
            (tile("Requests", &short(all.requests), &html! { (count(all.errors)) " failed, " (failed) }))
            (tile("Tokens", &short(all.prompt_tokens + all.completion_tokens),
                &html! { (short(all.prompt_tokens)) " in, " (short(all.completion_tokens)) " out" }))
            (tile("Cache hits", &percent(all.cached_tokens, all.prompt_tokens).unwrap_or_else(dash),
                &html! { "of prompt tokens" }))
            (tile("Users mapped", &format!("{:.1}\u{202f}%", success_rate(statistics)),
                &html! { (count(statistics.mapped)) " of " a href="/mapping" { (count(statistics.users)) } }))
            (tile("In flight", &count(u64::try_from(deps.metrics.in_flight.get()).unwrap_or(0)), &html! { "requests now" }))
            (tile("Ledger", ledger, &ledger_note))
        }
    }
}

/// Renders the parts of the spend: the charge after the markup, and the part that providers bill.
pub(super) fn spend_note(all: &UsageRow) -> Markup {
    html! {
        @if all.charged != all.total_cost() { "charged " (money(all.charged)) } @else { "as charged" }
        @if all.provider_cost != NanoUsd::ZERO { ", " (money(all.provider_cost)) " of it by providers" }
    }
}

/// Says how many requests are missing in the spend. Empty if there are none.
pub(super) fn unpriced(all: &UsageRow) -> Markup {
    html! {
        @if all.pending > 0 || all.never > 0 {
            p.hint { (count(all.pending)) " requests have no cost yet, " (count(all.never)) " never will." }
        }
    }
}

fn first_steps(operator: &Operator) -> Markup {
    let data = operator.deps.data;
    let host = if data.ip().is_unspecified() { format!("HOST:{}", data.port()) } else { data.to_string() };
    let scheme = if operator.view().tls { "https" } else { "http" };
    html! {
        section.empty {
            h2 { "No request yet" }
            p { "Point an app's OpenAI base URL at callsign, with one of the keys that you gave out:" }
            pre tabindex="0" {
                "OPENAI_BASE_URL=" (scheme) "://" (host) "/v1\n"
                "OPENAI_API_KEY=sk-cs-…"
            }
            p { "What it will be known as is on the page " a href="/settings" { "Settings" } "; "
                code { "callsign check" } " tries it out without OpenRouter." }
        }
    }
}

fn columns(period: Period, buckets: &[Bucket], part: impl Fn(&UsageRow) -> (Vec<u64>, String)) -> Vec<Column> {
    let column = |bucket: &Bucket| {
        let (parts, told) = part(&bucket.sums);
        Column { label: period.label(bucket.at), tick: period.tick(bucket.at), parts, told }
    };
    buckets.iter().map(column).collect()
}

/// Renders the chart of spend.
pub(super) fn spend(period: Period, buckets: &[Bucket], all: &UsageRow) -> Markup {
    Chart {
        id: "spend",
        title: "Spend",
        total: format!("{} in {}", money(all.total_cost()), period.words()),
        series: &[("spend", "first")],
        columns: columns(period, buckets, |sums| {
            let spend = sums.total_cost();
            (vec![u64::try_from(spend.0).unwrap_or(0)], money(spend))
        }),
        least: 1_000_000,
        scale: |height| format!("${}", usd(NanoUsd(i64::try_from(height).unwrap_or(i64::MAX)))),
    }
    .draw()
}

/// Renders the chart of requests, with failed ones as a separate series.
pub(super) fn requests(period: Period, buckets: &[Bucket], all: &UsageRow) -> Markup {
    Chart {
        id: "requests",
        title: "Requests",
        total: format!("{} in {}", count(all.requests), period.words()),
        series: &[("answered", "first"), ("failed", "bad")],
        columns: columns(period, buckets, |sums| {
            let told = format!("{} requests, {} failed", count(sums.requests), count(sums.errors));
            (vec![sums.requests.saturating_sub(sums.errors), sums.errors], told)
        }),
        least: 4,
        scale: short,
    }
    .draw()
}

/// Renders the share of prompt tokens that were read from a cache. A low share means that conversations move between
/// providers.
fn cached(period: Period, buckets: &[Bucket], all: &UsageRow) -> Markup {
    let share = |sums: &UsageRow| sums.cached_tokens.saturating_mul(100).checked_div(sums.prompt_tokens).unwrap_or(0);
    Chart {
        id: "cached",
        title: "Cache hits",
        total: percent(all.cached_tokens, all.prompt_tokens)
            .map_or_else(|| "–".to_owned(), |share| share + " of prompt tokens"),
        series: &[("cached", "second")],
        columns: columns(period, buckets, |sums| {
            let told = percent(sums.cached_tokens, sums.prompt_tokens).unwrap_or_else(|| "no prompt".to_owned());
            (vec![share(sums).min(100)], told)
        }),
        least: 100,
        scale: |height| format!("{height}\u{202f}%"),
    }
    .draw()
}

/// Renders the first rows of a list with a link to its page.
fn brief(title: &str, path: &str, by: By, rows: &[UsageRow], period: Period) -> Markup {
    html! {
        section.card {
            div.card-head {
                h2 { (title) }
                a href=(link(path, &[("range", period.name())])) { "All " (count(rows.len() as u64)) span.hidden { " " (title) } }
            }
            @if rows.is_empty() { p.none { "Nothing in the last " (period.words()) "." } }
            @else { (tables::usage(by, rows.get(..BRIEF).unwrap_or(rows), period, Depth::Brief)) }
        }
    }
}

/// Returns the cause of an error that is one of callsign's own.
fn cause(kind: &str) -> Option<&'static str> {
    ErrorCode::find(kind).map(|code| code.row().cause)
}

/// Renders errors by kind. The cause of callsign's own errors is shown as a tooltip.
fn failures(errors: &[Errors], requests: u64) -> Markup {
    let most = errors.iter().map(|error| error.requests).max().unwrap_or(0);
    html! {
        section.card {
            div.card-head { h2 { "Errors" } }
            @if errors.is_empty() { p.none { "None." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Errors by kind" {
                    table {
                        caption.hidden { "Errors by kind, most first" }
                        thead { tr {
                            th scope="col" { "Kind" } th.bar scope="col" { span.hidden { "Share of the most frequent" } }
                            th.number scope="col" { "Requests" } th.number scope="col" { "Of all" }
                        } }
                        tbody { @for error in errors.iter().take(BRIEF * 2) {
                            tr {
                                th scope="row" title=[cause(&error.kind)] { (super::text::name(&error.kind)) }
                                td.bar { (share(error.requests, most)) }
                                td.number { (count(error.requests)) }
                                td.number { (percent(error.requests, requests).unwrap_or_else(|| "–".to_owned())) }
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
    fn a_known_error_code_has_its_cause_as_a_tooltip() {
        let of = |kind: &str| failures(&[Errors { kind: kind.to_owned(), requests: 1 }], 1).into_string();
        let own = of("websocket_unsupported");
        let cause = ErrorCode::WebsocketUnsupported.row().cause;
        assert!(own.contains(&format!("<th scope=\"row\" title=\"{cause}\">")), "{own}");
        assert!(!of("server_error").contains("title="), "an error of OpenRouter has none");
    }
}
