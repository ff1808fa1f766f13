//! The first page: spend, requests, attribution, failures and speed, each against the time before.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};

use super::attribution::Attribution;
use super::chart::{Chart, Column};
use super::errors;
use super::layout::{NoPage, heading, page, tile};
use super::period::{Bucket, Period, total};
use super::selection::{address, requests as requests_link};
use super::tables::{Depth, Usage};
use super::text::{count, duration, here, money, percent, short};
use super::usage::Asked;
use crate::operator::Operator;
use crate::parameters::{Asks, Params};
use callsign_core::usage::money::NanoUsd;
use callsign_core::visible::printable;
use callsign_store::ledger::query::{By, Filter, Grouping, Point, Split, UsageRow};
use callsign_store::ledger::report::usd;

/// Rows of each list. Each list's own page has more.
const BRIEF: usize = 6;
/// The CSS classes of the models that are stacked; all others are one class.
const STACKED: [&str; 4] = ["first", "second", "third", "fourth"];

/// The figures of a period on the page.
struct Shown {
    period: Period,
    filter: Filter,
    all: UsageRow,
    /// The equally long time before.
    before: UsageRow,
    /// The median and the 95th percentile of the time to the first output, now and before.
    first_output: [Option<(u64, u64)>; 2],
    attribution: Attribution,
}

/// `GET /`: the page.
pub(super) async fn overview(
    State(operator): State<Arc<Operator>>,
    asked: Asks<Asked>,
) -> Result<Html<String>, NoPage> {
    let Params(asked) = asked?;
    let (period, now) = (asked.range, Timestamp::now());
    let (reader, filter) = (operator.reader()?, period.filter(now));
    let earlier = period.before(now);
    // One query of the largest sums for everything that is by user or app, beside all others.
    let by_people = Grouping { first: By::User, second: Some(By::Key) };
    let (people, points, others) = tokio::try_join!(
        reader.spend(by_people, &filter),
        reader.series(period.step(now), Split::Model, &filter),
        async {
            let before = reader.usage(By::Provider, &earlier).await?;
            let first_output = [reader.first_output(&filter).await?, reader.first_output(&earlier).await?];
            let (models, errors) = (reader.usage(By::Model, &filter).await?, reader.errors(&filter).await?);
            Ok((before, first_output, models, errors, reader.statistics().await?))
        },
    )?;
    let (before, first_output, models, errors, statistics) = others;
    let before = before.iter().fold(UsageRow::default(), |mut sum, row| {
        sum.add(row);
        sum
    });
    let buckets = period.buckets(&points, now);
    let all = total(&buckets);
    let (users, apps) = (regrouped(&people, |row| row.key.clone()), regrouped(&people, |row| row.second.clone()));
    let attribution = Attribution::of(&apps, &people);
    let shown = Shown { period, filter, all, before, first_output, attribution };
    let content = if shown.all.requests == 0 && statistics.users == 0 {
        html! { (heading(&html! { "Overview" }, &html! {})) (shown.tiles(&operator)) (health(&operator)) (first_steps(&operator)) }
    } else {
        html! {
            (heading(&html! { "Overview" }, &period.picker("/", &Vec::new())))
            @if !statistics.collisions.is_empty() {
                p.alert role="alert" {
                    strong { "Identifiers collide. " }
                    "OpenRouter cannot tell " (count(statistics.collisions.iter().map(|c| c.users.len() as u64).sum()))
                    " of your users apart. " a href=(here("/mapping")) { "See which" }
                }
            }
            (shown.attribution.alert(&shown.filter))
            (shown.tiles(&operator))
            (health(&operator))
            (unpriced(&shown.all))
            div.charts {
                (spend_by_model(period, now, &points, &models, &shown.all))
                (requests(period, now, &buckets, &shown.all))
                (cached(period, now, &buckets, &shown.all))
            }
            div.columns {
                (shown.brief("Users", "/users", By::User, &users))
                (shown.brief("Models", "/models", By::Model, &models))
                (shown.brief("Apps", "/apps", By::Key, &apps))
                (errors::card(&errors, &shown.filter, shown.all.requests.saturating_add(shown.all.refused), Some(BRIEF * 2)))
            }
        }
    };
    Ok(page("Overview", "/", &content))
}

/// Adds up rows of the same name and tenant, largest cost first.
fn regrouped(rows: &[UsageRow], name: impl Fn(&UsageRow) -> Option<String>) -> Vec<UsageRow> {
    let mut sums: BTreeMap<_, UsageRow> = BTreeMap::new();
    for row in rows {
        let (key, tenant) = (name(row), row.tenant.clone());
        let sent = row.external_user_id.clone();
        let none = UsageRow { key: key.clone(), tenant: tenant.clone(), external_user_id: sent, ..UsageRow::default() };
        sums.entry((key, tenant)).or_insert(none).add(row);
    }
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_by_key(|row| std::cmp::Reverse((row.total_cost(), row.requests)));
    sums
}

/// Returns the change against an earlier figure in words.
fn change(now: u64, before: u64) -> String {
    let (now, before) = (i128::from(now), i128::from(before));
    match (now - before).saturating_mul(100).checked_div(before) {
        None if now == 0 => "as before".to_owned(),
        None => "none before".to_owned(),
        Some(0) => "as before".to_owned(),
        Some(percent @ 1..) => format!("+{percent}\u{202f}% against before"),
        Some(percent) => format!("\u{2212}{}\u{202f}% against before", -percent),
    }
}

impl Shown {
    fn tiles(&self, operator: &Operator) -> Markup {
        let dash = || "–".to_owned();
        let (all, before) = (&self.all, &self.before);
        let requests = requests_link(self.filter.clone());
        let nano = |row: &UsageRow| u64::try_from(row.total_cost().0).unwrap_or(0);
        let p95 = |at: usize| self.first_output.get(at).copied().flatten().map(|(_, p95)| p95);
        let failed = address("/errors", &self.period.query());
        let in_flight = u64::try_from(operator.deps.metrics.in_flight.get()).unwrap_or(0);
        html! {
            dl.tiles {
                (tile("Spend", &money(all.total_cost()),
                    &html! { (change(nano(all), nano(before))) br; (spend_note(all)) }))
                (tile("Requests", &short(all.requests),
                    &html! { (change(all.requests, before.requests)) br; a href=(requests) { "list" } ", " (count(in_flight)) " running" }))
                (tile("Attributed", &self.attribution.share().unwrap_or_else(dash), &self.attribution.note(&self.filter)))
                (tile("Failures", &short(all.errors.saturating_add(all.refused)), &html! {
                    @if all.errors > 0 || all.refused > 0 {
                        a href=(failed) { (count(all.errors)) " at OpenRouter, " (count(all.refused)) " refused" } br;
                    } (change(all.errors.saturating_add(all.refused), before.errors.saturating_add(before.refused)))
                }))
                (tile("First output, 95 %", &p95(0).map_or_else(dash, duration), &html! {
                    "before " (p95(1).map_or_else(dash, duration)) br; a href=(address("/speed", &self.period.query())) { "by model" }
                }))
                (tile("Tokens", &short(all.prompt_tokens + all.completion_tokens), &html! {
                    (short(all.prompt_tokens)) " in, " (short(all.completion_tokens)) " out" br;
                    (percent(all.cached_tokens, all.prompt_tokens).unwrap_or_else(dash)) " of input cached"
                }))
            }
        }
    }

    /// Renders the first rows of a list with a link to its page.
    fn brief(&self, title: &str, path: &str, by: By, rows: &[UsageRow]) -> Markup {
        let table =
            Usage { by, period: self.period, filter: &self.filter, depth: Depth::Brief, sort: None, marks: None };
        html! {
            section.card {
                div.card-head {
                    h2 { (title) }
                    a href=(address(path, &self.period.query())) { "All " (count(rows.len() as u64)) span.hidden { " " (title) } }
                }
                @if rows.is_empty() { p.none { "Nothing in " (self.period.words()) "." } }
                @else { (table.table(rows.get(..BRIEF).unwrap_or(rows))) }
            }
        }
    }
}

/// Renders the health of this process in one line.
fn health(operator: &Operator) -> Markup {
    let deps = &operator.deps;
    let refuses = (deps.refuses.0)();
    let degraded = deps.metrics.degraded();
    let ledger = if deps.ledger.is_available() { "ledger writing" } else { "ledger failing" };
    html! {
        p.health role="status" {
            @match refuses {
                Some(reason) => { span.bad { "Refuses new requests: " (reason) } }
                None if degraded.is_empty() => { span.state.on { "Healthy" } " " (ledger) }
                None => { span.state.bad { "Degraded" } " " (ledger) }
            }
            @for reason in &degraded { "; " (reason) }
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
            p.hint { (count(all.pending)) " requests have no cost yet, " (count(all.never)) " never will. " a href=(here("/costs")) { "Fetch costs" } }
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
            p { "What it will be known as is on the page " a href=(here("/settings")) { "Settings" } "; "
                code { "callsign check" } " tries it out without OpenRouter." }
        }
    }
}

fn columns(
    period: Period,
    now: Timestamp,
    buckets: &[Bucket],
    part: impl Fn(&UsageRow) -> (Vec<u64>, String),
) -> Vec<Column> {
    let column = |bucket: &Bucket| {
        let (parts, told) = part(&bucket.sums);
        Column { label: period.label(bucket.at, now), tick: period.tick(bucket.at, now), parts, told }
    };
    buckets.iter().map(column).collect()
}

/// Formats a height of a chart of spend.
fn dollars(height: u64) -> String {
    format!("${}", usd(NanoUsd(i64::try_from(height).unwrap_or(i64::MAX))))
}

/// Renders the chart of spend.
pub(super) fn spend(period: Period, now: Timestamp, buckets: &[Bucket], all: &UsageRow) -> Markup {
    Chart {
        id: "spend",
        title: "Spend",
        total: format!("{} in {}", money(all.total_cost()), period.words()),
        series: &[("spend", "first")],
        columns: columns(period, now, buckets, |sums| {
            let spend = sums.total_cost();
            (vec![u64::try_from(spend.0).unwrap_or(0)], money(spend))
        }),
        least: 1_000_000,
        scale: dollars,
    }
    .draw()
}

/// Renders the chart of spend, stacked by the models with the largest spend.
fn spend_by_model(period: Period, now: Timestamp, points: &[Point], models: &[UsageRow], all: &UsageRow) -> Markup {
    let largest: Vec<_> = models.iter().take(STACKED.len()).map(|row| row.key.clone()).collect();
    let place = |key: &Option<String>| largest.iter().position(|of| of == key).unwrap_or(largest.len());
    let of = |at: usize| period.buckets(points.iter().filter(|point| place(&point.sums.key) == at), now);
    let stacks: Vec<_> = (0..=largest.len()).map(of).collect();
    let names: Vec<_> = largest.iter().map(|key| printable(key.as_deref().unwrap_or("unknown model"))).collect();
    let mut names: Vec<_> = names.iter().map(String::as_str).zip(STACKED).collect();
    if models.len() > largest.len() {
        names.push(("others", "other"));
    }
    let parts =
        |at: usize| stacks.iter().filter_map(move |buckets| buckets.get(at)).map(|bucket| bucket.sums.total_cost());
    let column = |(at, bucket): (usize, &Bucket)| {
        let told = names.iter().zip(parts(at)).filter(|(_, cost)| *cost != NanoUsd::ZERO);
        let told: Vec<_> = told.map(|((name, _), cost)| format!("{name} {}", money(cost))).collect();
        Column {
            label: period.label(bucket.at, now),
            tick: period.tick(bucket.at, now),
            parts: parts(at).map(|cost| u64::try_from(cost.0).unwrap_or(0)).collect(),
            told: told.join(", "),
        }
    };
    let columns = stacks.first().into_iter().flatten().enumerate().map(column).collect();
    let total = format!("{} in {}", money(all.total_cost()), period.words());
    Chart { id: "spend", title: "Spend by model", total, series: &names, columns, least: 1_000_000, scale: dollars }
        .draw()
}

/// Renders the chart of requests, with failed ones as a separate series.
pub(super) fn requests(period: Period, now: Timestamp, buckets: &[Bucket], all: &UsageRow) -> Markup {
    Chart {
        id: "requests",
        title: "Requests",
        total: format!("{} in {}", count(all.requests), period.words()),
        series: &[("answered", "first"), ("failed", "bad")],
        columns: columns(period, now, buckets, |sums| {
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
fn cached(period: Period, now: Timestamp, buckets: &[Bucket], all: &UsageRow) -> Markup {
    let share = |sums: &UsageRow| sums.cached_tokens.saturating_mul(100).checked_div(sums.prompt_tokens).unwrap_or(0);
    Chart {
        id: "cached",
        title: "Cache hits",
        total: percent(all.cached_tokens, all.prompt_tokens)
            .map_or_else(|| "–".to_owned(), |share| share + " of prompt tokens"),
        series: &[("cached", "second")],
        columns: columns(period, now, buckets, |sums| {
            let told = percent(sums.cached_tokens, sums.prompt_tokens).unwrap_or_else(|| "no prompt".to_owned());
            (vec![share(sums).min(100)], told)
        }),
        least: 100,
        scale: |height| format!("{height}\u{202f}%"),
    }
    .draw()
}
