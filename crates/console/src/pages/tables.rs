//! Usage tables of users, models and apps.

use maud::{Markup, html};

use super::chart::share;
use super::period::Period;
use super::text::{average, count, link, moment, money_cell, name, name_or, percent, short};
use callsign_store::ledger::query::{By, UsageRow};

/// The set of columns that a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The first columns, for overview pages.
    Brief,
    /// All columns.
    Full,
}

/// Returns the label of rows without a value.
pub(super) fn nothing(by: By) -> &'static str {
    match by {
        By::User => "nobody named",
        By::Model => "unknown model",
        By::Tenant => "no tenant",
        By::Day | By::App => "–",
    }
}

/// Returns the link of a row, if it has a page.
fn target(by: By, row: &UsageRow, period: Period) -> Option<String> {
    let key = row.key.as_deref()?;
    (by == By::User).then(|| person(key, row.tenant.as_deref(), period))
}

/// Returns the link to a user's page.
pub(super) fn person(user: &str, tenant: Option<&str>, period: Period) -> String {
    link("/user", &[("id", user), ("tenant", tenant.unwrap_or_default()), ("range", period.name())])
}

/// Renders a table.
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
