//! Formats query results as JSON, CSV and tables, for the command line and the admin API (docs/SPEC.md#usage,
//! docs/SPEC.md#whois, docs/SPEC.md#requests).
//!
//! Names of users, models and apps are untrusted. JSON escapes them. CSV cells must not become spreadsheet formulas,
//! and tables must not contain terminal control sequences.

mod requests;

use comfy_table::{Cell, CellAlignment, Row, Table, presets};
use csv::{QuoteStyle, Terminator, WriterBuilder};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::query::{By, Found, Grouping, Kind, UsageRow};
use callsign_core::usage::money::NanoUsd;
pub use requests::{endings, request_json, request_text, requests_csv, requests_table};

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

/// The cells of a line, with the names of their columns.
pub type Cells = Vec<(String, Value)>;

/// Formats `callsign usage --format json`.
pub fn usage_json(by: Grouping, rows: &[UsageRow]) -> Value {
    rows.iter().map(|row| Value::Object(usage_cells(by, row).into_iter().collect::<Map<_, _>>())).collect()
}

/// Formats `callsign usage --format csv`: RFC 4180 with a header line. The last line is the total.
pub fn usage_csv(by: Grouping, rows: &[UsageRow]) -> String {
    let rows = with_total(rows);
    csv(usage_cells(by, &UsageRow::default()), rows.iter().map(|row| usage_cells(by, row)))
}

/// Formats `callsign usage --format table`. The last line is the total.
pub fn usage_table(by: Grouping, rows: &[UsageRow]) -> String {
    let rows = with_total(rows);
    table(rows.iter().map(|row| usage_cells(by, row)), &usage_cells(by, &UsageRow::default()))
}

/// Formats rows as CSV (RFC 4180) with a header line. Every cell is quoted, because spreadsheets differ in what they
/// take for a separator.
pub fn csv(heading: Cells, rows: impl Iterator<Item = Cells>) -> String {
    let mut writer = WriterBuilder::new();
    let mut csv = writer.terminator(Terminator::CRLF).quote_style(QuoteStyle::Always).from_writer(Vec::new());
    let heading = heading.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let lines = rows.map(|row| row.into_iter().map(|(_, value)| csv_text(value)).collect());
    for line in std::iter::once(heading).chain(lines) {
        // Writing into memory cannot fail.
        let _infallible = csv.write_record(line);
    }
    csv.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
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

/// Formats an amount as an exact decimal number of dollars without trailing zeros: `0.00126`.
pub fn usd(amount: NanoUsd) -> String {
    let NanoUsd(nano) = amount;
    let (sign, nano) = (if nano < 0 { "-" } else { "" }, nano.unsigned_abs());
    let text = format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns the text of a CSV cell.
fn csv_text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => without_formulas(&text),
        other => other.to_string(),
    }
}

/// Inserts an apostrophe before each character that a spreadsheet may read as the start of a formula (OWASP, "CSV
/// Injection"). A formula may begin with a full-width form of its sign. It begins at the start of the text, or after a
/// character that some spreadsheets take for the end of a cell or line, with blanks and quotes between.
fn without_formulas(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut at_start = true;
    for character in text.chars() {
        match character {
            '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' if at_start => {
                out.push('\'');
                at_start = false;
            }
            ';' | '\t' | '\r' | '\n' => at_start = true,
            '"' | ' ' => {}
            _ => at_start = false,
        }
        out.push(character);
    }
    out
}

/// Removes control and format characters (Unicode Cc, Cf, Zl, Zp), which could move a cursor or hide or reorder text.
pub fn plain(text: &str) -> String {
    let shown = |character: char| match character.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    text.chars().map(shown).collect()
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
    ];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Formats a time as RFC 3339 in whole seconds.
pub fn time(time: Option<Timestamp>) -> Value {
    json!(time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

/// Formats rows as a table for a terminal.
pub fn table(rows: impl Iterator<Item = Cells>, heading: &[(String, Value)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Amounts are strings in JSON, but are aligned like numbers.
    let is_number = |name: &str, value: &Value| value.is_number() || name.ends_with("_usd") || name.ends_with("_ms");
    let cell = |text: String, number: bool| {
        let alignment = if number { CellAlignment::Right } else { CellAlignment::Left };
        Cell::new(text).set_alignment(alignment)
    };
    let titles =
        heading.iter().map(|(name, value)| cell(name.to_uppercase().replace('_', " "), is_number(name, value)));
    table.set_header(Row::from(titles.collect::<Vec<_>>()));
    for row in rows {
        let cells = row.into_iter().map(|(name, value)| match value {
            Value::Null => cell("–".to_owned(), is_number(&name, &Value::Null)),
            Value::String(text) => cell(plain(&text), is_number(&name, &Value::Null)),
            number => cell(number.to_string(), true),
        });
        table.add_row(Row::from(cells.collect::<Vec<_>>()));
    }
    let lines = table.to_string();
    lines.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests;
