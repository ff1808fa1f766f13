//! Formats query results as JSON, CSV and tables, for the command line and the admin API (docs/SPEC.md#usage,
//! docs/SPEC.md#whois, docs/SPEC.md#requests).
//!
//! Names of users, models and apps are untrusted. JSON escapes them. CSV cells must not become spreadsheet formulas,
//! and tables must not contain terminal control sequences.

mod cells;
mod columns;
mod requests;

use callsign_core::auth::settings::LIVE_TEST_KEY;
use serde_json::{Map, Value, json};

use super::query::{By, Found, Grouping, Kind, UsageRow};
pub use cells::{Cells, csv, table, time, usd};
pub use columns::{ColumnError, Columns};
pub use requests::{endings, rejected_json, rejected_table, request_json, request_text, requests_csv, requests_table};

impl By {
    /// Returns the name of the grouping: a row's first key in JSON and its first column elsewhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Model => "model",
            Self::Key => "key",
            Self::Provider => "provider",
            Self::Tenant => "tenant",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl Kind {
    /// Returns the name for JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Chat => "chat",
            Self::Message => "message",
            Self::Generation => "generation",
            Self::Request => "request",
            Self::Upstream => "upstream",
            Self::Sealed => "sealed",
        }
    }
}

/// Formats `callsign usage --format json`.
pub fn usage_json(by: Grouping, rows: &[UsageRow]) -> Value {
    rows.iter().map(|row| Value::Object(usage_cells(by, row).into_iter().collect::<Map<_, _>>())).collect()
}

/// Formats `callsign usage --format csv`: RFC 4180 with a header line. The last line is the total.
pub fn usage_csv(by: Grouping, rows: &[UsageRow]) -> String {
    let rows = with_total(rows);
    csv(usage_cells(by, &UsageRow::default()), rows.iter().map(|row| usage_cells(by, row)))
}

/// Formats `callsign usage --format table` with these columns. The last line is the total.
///
/// # Errors
/// [`ColumnError`] for a column that does not exist.
pub fn usage_table(by: Grouping, rows: &[UsageRow], columns: &Columns) -> Result<String, ColumnError> {
    let heading = usage_cells(by, &UsageRow::default());
    let names = columns.names(by, &heading, rows)?;
    let rows = with_total(rows);
    let cells = |row| columns::select(&usage_cells(by, row), &names);
    Ok(table(rows.iter().map(cells), &columns::select(&heading, &names)))
}

/// Adds a row with the sums of all rows.
fn with_total(rows: &[UsageRow]) -> Vec<UsageRow> {
    let mut total = UsageRow { key: Some("total".to_owned()), ..UsageRow::default() };
    for row in rows {
        total.add(row);
    }
    rows.iter().cloned().chain([total]).collect()
}

/// Formats `callsign whois --format json`.
pub fn whois_json(found: &[Found]) -> Value {
    found.iter().map(|found| Value::Object(whois_cells(found).into_iter().collect::<Map<_, _>>())).collect()
}

/// Formats `callsign whois --format table`.
pub fn whois_table(found: &[Found]) -> String {
    let nobody = Found {
        kind: Kind::User,
        identifier: String::new(),
        user: None,
        key: None,
        tenant: None,
        first_seen: None,
        last_seen: None,
        requests: 0,
    };
    table(found.iter().map(whois_cells), &whois_cells(&nobody))
}

fn usage_cells(by: Grouping, row: &UsageRow) -> Cells {
    let mut cells = vec![(by.first.name(), json!(row.key))];
    if let Some(second) = by.second {
        cells.push((second.name(), json!(row.second)));
    }
    if by.first == By::User {
        cells.push(("external_user_id", json!(row.external_user_id)));
    }
    cells.extend([
        ("requests", json!(row.requests)),
        ("errors", json!(row.errors)),
        ("refused", json!(row.refused)),
        ("prompt_tokens", json!(row.prompt_tokens)),
        ("completion_tokens", json!(row.completion_tokens)),
        ("cached_tokens", json!(row.cached_tokens)),
        ("cache_write_tokens", json!(row.cache_write_tokens)),
        ("reasoning_tokens", json!(row.reasoning_tokens)),
        ("cost_usd", json!(usd(row.total_cost()))),
        ("provider_cost_usd", json!(usd(row.provider_cost))),
        ("charged_usd", json!(usd(row.charged))),
        ("cost_pending", json!(row.pending)),
        ("cost_never", json!(row.never)),
        ("last_seen", time(row.last_seen)),
    ]);
    if !by.has(By::Tenant) {
        cells.push(("tenant", json!(row.tenant)));
    }
    cells.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn whois_cells(found: &Found) -> Cells {
    let cells = [
        ("kind", json!(found.kind.name())),
        ("identifier", json!(found.identifier)),
        ("user", json!(found.user)),
        ("key", json!(found.key)),
        ("tenant", json!(found.tenant)),
        ("first_seen", time(found.first_seen)),
        ("last_seen", time(found.last_seen)),
        ("requests", json!(found.requests)),
        ("test", json!(found.key.as_deref() == Some(LIVE_TEST_KEY))),
    ];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests;
