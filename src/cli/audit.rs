//! `callsign audit`: lists what operators did (docs/SPEC.md#audit-log).

use std::io::{self, Write};

use callsign_store::ledger;
use callsign_store::limits::acts::report::{acts_csv, acts_json, acts_table};
use jiff::Timestamp;

use super::Exit;
use super::args::{Audit, Format};
use super::operator_state::Opened;
use crate::config::Config;

/// Prints the audit log, latest first.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Audit,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let since = match asked.since.as_deref().map(|text| ledger::since(text, Timestamp::now())).transpose() {
        Ok(since) => since,
        Err(error) => {
            writeln!(err, "callsign: --since {error}")?;
            return Ok(Exit::Invalid);
        }
    };
    let Some(opened) = Opened::open(config, err).await? else { return Ok(Exit::Failure) };
    let acts = opened.state.acts(since, asked.by.as_deref());
    match asked.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&acts_json(&acts))?)?,
        Format::Csv => write!(out, "{}", acts_csv(&acts))?,
        Format::Table if acts.is_empty() => writeln!(err, "callsign: no act is in the audit log that was asked for")?,
        Format::Table => write!(out, "{}", acts_table(&acts))?,
    }
    Ok(Exit::Success)
}
