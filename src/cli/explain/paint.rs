//! Prints an explanation as a diff, which is readable without colour too.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, json};

use super::compare::{Mark, Row};
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::{CallerIdentity, Field};
use callsign_core::visible::printable;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Maximum width of a column, in characters. Longer values do not widen it.
const VALUE_CHARS: usize = 48;

/// Prints the endpoint and the caller's ids.
pub(super) fn title(
    endpoint: &Inference,
    sources: &CallerIdentity<'_>,
    sample: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let shown = |id: Field| Some(format!("{} {}", id.name(), printable(sources.get(id)?)));
    let ids: Vec<_> = Field::IDS.into_iter().filter_map(shown).collect();
    let ids = if ids.is_empty() { "a caller without ids".to_owned() } else { ids.join(", ") };
    let note = if sample { " (sample caller; choose another with --user)" } else { "" };
    writeln!(out, "{BOLD}POST /v1/{}{BOLD:#}", endpoint.path)?;
    writeln!(out, "{DIM}from {ids}{note}{DIM:#}\n")
}

/// Prints one line for each row: mark, name, value, reason.
pub(super) fn rows(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let widest = |text: fn(&Row) -> &str, limit: usize| {
        rows.iter().map(|row| text(row).chars().count()).filter(|width| *width <= limit).max().unwrap_or_default()
    };
    let names = widest(|row| &row.name, VALUE_CHARS);
    let values = widest(|row| if row.why.is_empty() { "" } else { &row.value }, VALUE_CHARS);
    for row in rows {
        let (mark, style, why_style) = match row.mark {
            Mark::Kept => (' ', DIM, DIM),
            Mark::Removed => ('-', AnsiColor::Red.on_default(), DIM),
            Mark::Written => ('+', AnsiColor::Green.on_default(), AnsiColor::Cyan.on_default()),
            Mark::Omitted => ('!', AnsiColor::Yellow.on_default(), DIM),
        };
        let said = format!("{mark} {:names$}  {}", row.name, row.value);
        if row.why.is_empty() {
            writeln!(out, "{style}{}{style:#}", said.trim_end())?;
        } else {
            let gap = values.saturating_sub(row.value.chars().count()) + 2;
            writeln!(out, "{style}{said}{style:#}{:gap$}{why_style}{}{why_style:#}", "", row.why)?;
        }
    }
    Ok(())
}

/// Prints the explanation as one JSON object. A pair of a written map is named `metadata.user_id`.
pub(super) fn json(
    endpoint: &Inference,
    (sources, sample): (&CallerIdentity<'_>, bool),
    rows: &[Row],
    (before, after): (usize, usize),
    out: &mut impl Write,
) -> io::Result<()> {
    let caller: Map<_, _> =
        Field::IDS.into_iter().filter_map(|id| Some((id.name().to_owned(), json!(sources.get(id)?)))).collect();
    let mut map = "";
    let members: Vec<_> = rows
        .iter()
        .map(|row| {
            let name = if let Some(pair) = row.name.strip_prefix("  ") {
                format!("{map}.{pair}")
            } else {
                map = &row.name;
                row.name.clone()
            };
            json!({ "treatment": row.mark.name(), "name": name, "value": row.value, "reason": row.why })
        })
        .collect();
    let whole = json!({
        "endpoint": endpoint.path,
        "caller": caller,
        "is_sample": sample,
        "members": members,
        "bytes_before": before,
        "bytes_after": after,
    });
    writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)
}

/// Prints both lengths, and a hint if all valves are off.
pub(super) fn footer(before: usize, after: usize, any_valve: bool, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{DIM}body: {before} → {after} bytes; removed members become spaces, all other bytes are unchanged{DIM:#}"
    )?;
    if !any_valve {
        writeln!(out, "All valves are off, so no identifier is sent; set SEND_END_USER_ID=true to send the user id.")?;
    }
    Ok(())
}
