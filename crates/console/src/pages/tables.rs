//! Usage tables of users, models, providers and apps. Their numbers lead to the requests behind them.

use maud::{Markup, html};

use super::chart::share;
use super::marks::Marks;
use super::period::Period;
use super::selection::{Query, address, requests};
use super::text::{count, moment, money_cell, name, name_or, percent, short};
use callsign_store::ledger::query::{By, Filter, UsageRow};

/// The set of columns that a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The first columns, for overview pages.
    Brief,
    /// All columns.
    Full,
}

/// The order of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// Largest spend first.
    #[default]
    Spend,
    /// Most requests first.
    Requests,
    /// Most errors first.
    Errors,
    /// Most refusals first.
    Refused,
    /// Latest request first.
    LastSeen,
    /// In order of the names.
    Name,
}

impl Sort {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Spend, "spend"),
        (Self::Requests, "requests"),
        (Self::Errors, "errors"),
        (Self::Refused, "refused"),
        (Self::LastSeen, "last-seen"),
        (Self::Name, "name"),
    ];

    /// Parses the query parameter `sort`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(sort, _)| sort);
        found.ok_or_else(|| format!("takes {}", Self::ALL.map(|(_, name)| name).join(", ")))
    }

    /// Returns the value of the query parameter.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(sort, _)| *sort == self).map_or("", |(_, name)| name)
    }

    /// Sorts rows.
    pub(super) fn sort(self, rows: &mut [UsageRow]) {
        let figure = |row: &UsageRow| match self {
            Self::Spend | Self::Name => row.total_cost().0,
            Self::Requests => i64::try_from(row.requests).unwrap_or(i64::MAX),
            Self::Errors => i64::try_from(row.errors).unwrap_or(i64::MAX),
            Self::Refused => i64::try_from(row.refused).unwrap_or(i64::MAX),
            Self::LastSeen => row.last_seen.map_or(i64::MIN, jiff::Timestamp::as_microsecond),
        };
        if self == Self::Name {
            rows.sort_by(|a, b| a.key.cmp(&b.key));
        } else {
            rows.sort_by_key(|row| std::cmp::Reverse(figure(row)));
        }
    }
}

/// A table of usage.
#[derive(Clone, Debug)]
pub(super) struct Usage<'a> {
    /// The grouping of the rows.
    pub(super) by: By,
    /// The period of the page, for links to users.
    pub(super) period: Period,
    /// The filter that all rows have in common.
    pub(super) filter: &'a Filter,
    pub(super) depth: Depth,
    /// The order, and the address without it, if the table's heading selects the order.
    pub(super) sort: Option<(Sort, &'a str, &'a Query)>,
    /// Charts and badges of the rows.
    pub(super) marks: Option<&'a Marks>,
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

/// Returns the link to a user's page.
pub(super) fn person(user: &str, tenant: Option<&str>, period: Period) -> String {
    let query = vec![("id", user.to_owned()), ("tenant", tenant.unwrap_or_default().to_owned())];
    address("/user", &[query, period.query()].concat())
}

impl Usage<'_> {
    /// Returns the filter of the requests of a row; `None` if no filter selects them.
    fn behind(&self, row: &UsageRow) -> Option<Filter> {
        let mut filter = self.filter.clone();
        let value = row.key.clone();
        match self.by {
            By::User => filter.user = Some(value.unwrap_or_default()),
            By::Key => filter.key = Some(value?),
            By::Model => filter.model = Some(value?),
            By::Provider => filter.provider = Some(value?),
            By::Tenant => filter.tenant = Some(value.unwrap_or_default()),
            By::Hour | By::Day | By::Month => return None,
        }
        if matches!(self.by, By::User | By::Key) {
            filter.tenant = Some(row.tenant.clone().unwrap_or_default());
        }
        Some(filter)
    }

    /// Renders the table.
    pub(super) fn table(&self, rows: &[UsageRow]) -> Markup {
        let most = rows.iter().map(|row| row.total_cost().0).max().unwrap_or(0);
        let by = self.by;
        html! {
            div.scroll tabindex="0" role="region" aria-label={ "Usage by " (by.name()) } {
                table {
                    caption.hidden { "Usage by " (by.name()) }
                    thead { tr {
                        (self.heading("", Some(Sort::Name), heading(by)))
                        th.bar scope="col" { span.hidden { "Share of the largest" } }
                        @if self.marks.is_some() { th scope="col" { @if self.period.spark(jiff::Timestamp::now()).is_cut { "Latest days" } @else { "Over time" } } }
                        (self.heading("number", Some(Sort::Spend), "Spend"))
                        (self.heading("number", Some(Sort::Requests), "Requests"))
                        @if self.depth == Depth::Full {
                            (self.heading("number", Some(Sort::Errors), "Errors"))
                            (self.heading("number", Some(Sort::Refused), "Refused"))
                            (self.heading("number", None, "Prompt"))
                            (self.heading("number", None, "Completion"))
                            (self.heading("number", None, "Cached"))
                            (self.heading("", Some(Sort::LastSeen), "Last seen"))
                            @if by == By::User { th scope="col" { "Sent as" } }
                        }
                    } }
                    tbody { @for row in rows { (self.row(row, most)) } }
                }
            }
        }
    }

    fn heading(&self, class: &str, sort: Option<Sort>, text: &str) -> Markup {
        let Some(((current, path, query), sort)) = self.sort.zip(sort) else {
            return html! { th scope="col" class=[Some(class).filter(|class| !class.is_empty())] { (text) } };
        };
        let href = address(path, &[query.clone(), vec![("sort", sort.name().to_owned())]].concat());
        let order = if sort == Sort::Name { "ascending" } else { "descending" };
        html! {
            th scope="col" class=[Some(class).filter(|class| !class.is_empty())] aria-sort=[(current == sort).then_some(order)] {
                a href=(href) { (text) @if current == sort { " " span aria-hidden="true" { (if sort == Sort::Name { "↑" } else { "↓" }) } } }
            }
        }
    }

    fn row(&self, row: &UsageRow, most: i64) -> Markup {
        let by = self.by;
        let positive = |amount: i64| u64::try_from(amount).unwrap_or(0);
        let behind = self.behind(row);
        let target = match (by, row.key.as_deref()) {
            (By::User, Some(user)) => Some(person(user, row.tenant.as_deref(), self.period)),
            _ => behind.clone().map(requests),
        };
        html! {
            tr {
                th scope="row" {
                    @match target {
                        Some(target) => a href=(target) { (name_or(row.key.as_deref(), nothing(by))) },
                        None => (name_or(row.key.as_deref(), nothing(by))),
                    }
                    @if let Some(tenant) = row.tenant.as_deref().filter(|_| matches!(by, By::User | By::Key)) { " " small { (name(tenant)) } }
                    @if let Some(marks) = self.marks { (marks.badges(by, row)) }
                }
                td.bar { (share(positive(row.total_cost().0), positive(most))) }
                @if let Some(marks) = self.marks { td { (marks.spark(row)) } }
                td.number { (money_cell(row.total_cost(), row.provider_cost)) }
                td.number { @match behind.map(requests) {
                    Some(href) => a.plain href=(href) { (count(row.requests)) },
                    None => (count(row.requests)),
                } }
                @if self.depth == Depth::Full { (rest(by, row)) }
            }
        }
    }
}

fn heading(by: By) -> &'static str {
    match by {
        By::User => "User",
        By::Model => "Model",
        By::Key => "App or key",
        By::Provider => "Provider",
        By::Tenant => "Tenant",
        By::Hour => "Hour",
        By::Day => "Day",
        By::Month => "Month",
    }
}

fn rest(by: By, row: &UsageRow) -> Markup {
    html! {
        td.number {
            @if row.errors > 0 { span.bad { (count(row.errors)) } } @else { span.none { "0" } }
        }
        td.number { @if row.refused > 0 { (count(row.refused)) } @else { span.none { "0" } } }
        td.number title=(count(row.prompt_tokens)) { (short(row.prompt_tokens)) }
        td.number title=(count(row.completion_tokens)) { (short(row.completion_tokens)) }
        td.number { (percent(row.cached_tokens, row.prompt_tokens).unwrap_or_else(|| "–".to_owned())) }
        td { @if let Some(at) = row.last_seen { (moment(at)) } @else { "–" } }
        @if by == By::User { td { (name_or(row.external_user_id.as_deref(), "not sent")) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_to_its_requests_and_a_heading_to_its_order() {
        let filter = Filter { status: Some(200), ..Filter::default() };
        let query = vec![("range", "7d".to_owned())];
        let sort = Some((Sort::Requests, "/users", &query));
        let table = Usage { by: By::User, period: Period::Day, filter: &filter, depth: Depth::Full, sort, marks: None };
        let rows = [
            UsageRow { key: Some("a&b".to_owned()), requests: 7, ..UsageRow::default() },
            UsageRow { requests: 9, ..UsageRow::default() },
        ];
        let shown = table.table(&rows).into_string();
        for part in [
            "<a class=\"plain\" href=\"/requests?user=a%26b&amp;tenant=&amp;status=200\">7</a>",
            "<a href=\"/user?id=a%26b&amp;tenant=&amp;range=24h\">",
            "<a class=\"plain\" href=\"/requests?user=&amp;tenant=&amp;status=200\">9</a>",
            "aria-sort=\"descending\"><a href=\"/users?range=7d&amp;sort=requests\">Requests",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert_eq!(shown.matches("aria-sort").count(), 1);
    }

    #[test]
    fn rows_are_sorted_by_each_column() {
        let row = |key: &str, requests, errors| UsageRow {
            key: Some(key.to_owned()),
            requests,
            errors,
            ..UsageRow::default()
        };
        let mut rows = [row("b", 1, 3), row("a", 2, 1), row("c", 3, 2)];
        for (sort, order) in [(Sort::Name, "abc"), (Sort::Requests, "cab"), (Sort::Errors, "bca")] {
            sort.sort(&mut rows);
            assert_eq!(rows.iter().filter_map(|row| row.key.as_deref()).collect::<String>(), order, "{sort:?}");
            assert_eq!(Sort::parse(sort.name()), Ok(sort));
        }
    }
}
