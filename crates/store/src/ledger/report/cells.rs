//! Cells of tables, CSV and JSON. Texts are untrusted: a CSV cell must not become a formula, and a table must not contain
//! terminal control sequences.

use callsign_core::usage::money::NanoUsd;
use callsign_core::visible::printable;
use comfy_table::{Cell, CellAlignment, Row, Table, presets};
use csv::{QuoteStyle, Terminator, WriterBuilder};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The cells of a line, with the names of their columns.
pub type Cells = Vec<(String, Value)>;

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
/// Injection"). A formula may begin with a full-width form of its sign, or with the
/// minus sign U+2212. It begins at the start of the text, or after a
/// character that some spreadsheets take for the end of a cell or line, with blanks and quotes between.
fn without_formulas(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut at_start = true;
    for character in text.chars() {
        match character {
            '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\u{2212}' if at_start => {
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
            Value::String(text) => cell(printable(&text), is_number(&name, &Value::Null)),
            number => cell(number.to_string(), true),
        });
        table.add_row(Row::from(cells.collect::<Vec<_>>()));
    }
    let lines = table.to_string();
    lines.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
