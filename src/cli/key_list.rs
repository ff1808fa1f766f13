//! `callsign key list`: prints the keys of the configuration and of the database, their callers and their state. Only
//! digests of keys are known.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::Exit;
use super::args::Format;
use super::operator_state::Opened;
use crate::config::Config;
use callsign_core::auth::key::{Grant, Key};
use callsign_core::auth::preset::Preset;
use callsign_core::identity::caller_identity::Field;
use callsign_core::visible::printable;
use callsign_store::limits::keys::list::{ListedKey, keys_csv, keys_json};

/// Number of shown digits of the digest, enough to find the key in a file.
const DIGITS: usize = 12;
const HEADINGS: [&str; 7] = ["NAME", "CALLERS", "STATE", "EXPIRES", "FROM", "SHA-256", "CONFIGURED"];

/// Prints the configured keys and those in the database, as a table, or those in the database in another format.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn print(
    config: &Config,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let stored = match config.limits.key_seal {
        Some(_) => Opened::open_if_any(config, err).await?.listed_keys(),
        None => Vec::new(),
    };
    match format {
        Format::Json => writeln!(out, "{:#}", keys_json(&stored))?,
        Format::Csv => write!(out, "{}", keys_csv(&stored))?,
        Format::Table => print_table(config, &stored, jiff::Timestamp::now(), out)?,
    }
    Ok(Exit::Success)
}

fn print_table(config: &Config, stored: &[ListedKey], now: jiff::Timestamp, out: &mut impl Write) -> io::Result<()> {
    let callers = &config.callers;
    let rows = callers.keys.iter().map(|key| row(key, now)).chain(stored.iter().map(stored_row));
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        writeln!(out, "There is no key; make one with: callsign key create --user ID")?;
    } else {
        table(&rows, out)?;
    }
    if callers.passthrough.is_some() {
        writeln!(out, "Pass-through is on: OpenRouter keys (sk-or-…) are accepted too and pay for their requests.")?;
    }
    Ok(())
}

/// Returns the row of a key in the database. Its digest is not shown.
fn stored_row(key: &ListedKey) -> [String; 7] {
    let row = &key.row;
    let of = match (&row.holder.user, &row.holder.preset) {
        (Some(user), _) => format!("user {user}"),
        (None, preset) => format!("users named in the headers of the preset {}", preset.as_deref().unwrap_or_default()),
    };
    let of = row.holder.tenant.as_ref().map_or(of.clone(), |tenant| format!("{of}, tenant {tenant}"));
    [
        printable(&row.name),
        printable(&of),
        key.state.name().to_owned(),
        row.expires.map_or_else(|| "never".to_owned(), |expires| format!("{expires:.0}")),
        if row.from.is_empty() { "anywhere".to_owned() } else { printable(&row.from.join(" ")) },
        "–".to_owned(),
        printable(&format!("database, {:.0} by {}", row.since, row.by)),
    ]
}

fn row(key: &Key, now: jiff::Timestamp) -> [String; 7] {
    let state = match key.expires {
        _ if key.disabled => "disabled",
        Some(expires) if expires <= now => "expired",
        _ => "valid",
    };
    let from: Vec<_> = key.from.iter().map(ToString::to_string).collect();
    let mut digest = key.digest.to_hex();
    digest.truncate(DIGITS);
    [
        printable(&key.name),
        printable(&callers_of(&key.grant)),
        state.to_owned(),
        key.expires.map_or_else(|| "never".to_owned(), |expires| expires.to_string()),
        if from.is_empty() { "anywhere".to_owned() } else { from.join(" ") },
        digest,
        printable(key.source.trim_end_matches(": keys")),
    ]
}

fn callers_of(grant: &Grant) -> String {
    match grant {
        Grant::User(user) => format!("user {user}"),
        Grant::Signed(_) => "users with a token of the key's issuer".to_owned(),
        Grant::Preset(preset) => {
            let named = Preset::names().find(|name| Preset::built_in(name).as_ref() == Some(preset));
            let header = preset.header(Field::User).map(http::HeaderName::as_str).unwrap_or_default();
            format!("users named in {header} ({})", named.unwrap_or("own preset"))
        }
    }
}

fn table(rows: &[[String; 7]], out: &mut impl Write) -> io::Result<()> {
    const BOLD: Style = Style::new().bold();
    let headings = HEADINGS.map(str::to_owned);
    let mut widths = [0; 7];
    for row in std::iter::once(&headings).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 7]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{BOLD}{}{BOLD:#}", line(&headings))?;
    for row in rows {
        let [_, _, state, ..] = row;
        let style = match state.as_str() {
            "valid" | "old" => Style::new(),
            "expired" | "refused" => AnsiColor::Red.on_default(),
            _ => Style::new().dimmed(),
        };
        writeln!(out, "{style}{}{style:#}", line(row))?;
    }
    Ok(())
}
