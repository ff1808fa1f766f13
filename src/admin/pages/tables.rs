//! Tables of usage: the same columns wherever users, models and apps are listed.

use maud::{Markup, html};

use super::chart::share;
use super::period::Period;
use super::text::{average, count, link, moment, money_cell, name, name_or, percent, short};
use crate::ledger::query::{By, UsageRow};

/// How much of a table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The first few columns, on a page with other things.
    Brief,
    /// All of them.
    Full,
}

/// What lines without a key are for.
pub(super) fn nothing(by: By) -> &'static str {
    match by {
        By::User => "nobody named",
        By::Model => "unknown model",
        By::Tenant => "no tenant",
        By::Day | By::App => "–",
    }
}

/// Where a line leads, if there is a page about it.
fn target(by: By, row: &UsageRow, period: Period) -> Option<String> {
    let key = row.key.as_deref()?;
    (by == By::User).then(|| person(key, row.tenant.as_deref(), period))
}

/// The page about a person.
pub(super) fn person(user: &str, tenant: Option<&str>, period: Period) -> String {
    link("/user", &[("id", user), ("tenant", tenant.unwrap_or_default()), ("range", period.name())])
}

/// A table of `rows`.
pub(super) fn usage(by: By, rows: &[UsageRow], period: Period, depth: Depth) -> Markup {
    let most = rows.iter().map(|row| row.cost.0).max().unwrap_or(0);
    let positive = |amount: i64| u64::try_from(amount).unwrap_or(0);
    let tenants = matches!(by, By::User | By::App);
    let heading = match by {
        By::User => "User",
        By::Model => "Model",
        By::Day => "Day",
        By::App => "App or key",
        By::Tenant => "Tenant",
    };
    html! {
            div.scroll tabindex="0" role="region" aria-label={ "Usage by " (by.name()) } {
                table {
                    caption.hidden { "Usage by " (by.name()) ", the largest spend first" }
                    thead {
                        tr {
                            th scope="col" { (heading) }
                            th.bar scope="col" { span.hidden { "Share of the largest" } }
                            th.number scope="col" { "Spend" }
                            th.number scope="col" { "Requests" }
                            @if depth == Depth::Full {
                                th.number scope="col" { "Errors" }
                                th.number scope="col" { "Prompt" }
                                th.number scope="col" { "Completion" }
                                th.number scope="col" { "Cached" }
                                th.number scope="col" { "First token" }
                                th scope="col" { "Last seen" }
                                @if by == By::User { th scope="col" { "Sent as" } }
                            }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr {
                                th scope="row" {
                                    @match (target(by, row, period), row.key.as_deref()) {
                                        (Some(target), Some(key)) => a href=(target) { (name(key)) },
                                        (_, key) => (name_or(key, nothing(by))),
                                    }
                                    @if let Some(tenant) = row.tenant.as_deref().filter(|_| tenants) { " " small { (name(tenant)) } }
                                }
    td.bar { (share(positive(row.cost.0), positive(most))) }
                                td.number { (money_cell(row.cost)) }
                                td.number { (count(row.requests)) }
                                @if depth == Depth::Full { (rest(by, row)) }
                            }
                        }
                    }
                }
            }
        }
}

fn rest(by: By, row: &UsageRow) -> Markup {
    html! {
        td.number {
            @if row.errors > 0 { span.bad { (count(row.errors)) } } @else { span.none { "0" } }
        }
        td.number title=(count(row.prompt_tokens)) { (short(row.prompt_tokens)) }
        td.number title=(count(row.completion_tokens)) { (short(row.completion_tokens)) }
        td.number { (percent(row.cached_tokens, row.prompt_tokens).unwrap_or_else(|| "–".to_owned())) }
        td.number { (average(row.first_byte_us, row.first_bytes).unwrap_or_else(|| "–".to_owned())) }
        td { @if let Some(at) = row.last_seen { (moment(at)) } @else { "–" } }
        @if by == By::User { td { (name_or(row.external_user_id.as_deref(), "not sent")) } }
    }
}
