//! Usage tables of users, models and apps.

use maud::{Markup, html};

use super::chart::share;
use super::period::Period;
use super::text::{count, link, moment, money_cell, name, name_or, percent, short};
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
        By::User => "Unattributed",
        By::Model => "unknown model",
        By::Provider => "unknown provider",
        By::Tenant => "no tenant",
        By::Key | By::Hour | By::Day | By::Month => "–",
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
    let most = rows.iter().map(|row| row.total_cost().0).max().unwrap_or(0);
    let positive = |amount: i64| u64::try_from(amount).unwrap_or(0);
    let tenants = matches!(by, By::User | By::Key);
    let heading = match by {
        By::User => "User",
        By::Model => "Model",
        By::Key => "App or key",
        By::Provider => "Provider",
        By::Tenant => "Tenant",
        By::Hour => "Hour",
        By::Day => "Day",
        By::Month => "Month",
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
                            th.number scope="col" { "Refused" }
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
                            td.bar { (share(positive(row.total_cost().0), positive(most))) }
                            td.number { (money_cell(row.total_cost(), row.provider_cost)) }
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
        td.number { @if row.refused > 0 { (count(row.refused)) } @else { span.none { "0" } } }
        td { @if let Some(at) = row.last_seen { (moment(at)) } @else { "–" } }
        @if by == By::User { td { (name_or(row.external_user_id.as_deref(), "not sent")) } }
    }
}
