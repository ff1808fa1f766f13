//! `callsign usage`: prints spend and tokens from the ledger.

use std::io::{self, Write};

use super::args::{Format, Usage};
use super::{Exit, ledger_access};
use crate::config::Config;
use callsign_store::ledger::query::{By, Filter, UsageRow};
use callsign_store::ledger::{LedgerError, Reader, report};

/// Prints the sums as a table, CSV or JSON.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn print(
    config: &Config,
    asked: &Usage,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(filter) = ledger_access::filter(asked.since.as_deref(), asked.tenant.as_deref(), err)? else {
        return Ok(Exit::Invalid);
    };
    let rows = match sums(config, asked.by, &filter).await {
        Ok(rows) => rows,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    match asked.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report::usage_json(asked.by, &rows))?)?,
        Format::Csv => write!(out, "{}", report::usage_csv(asked.by, &rows))?,
        Format::Table if rows.is_empty() => writeln!(out, "The ledger has no request in this period.")?,
        Format::Table => write!(out, "{}", report::usage_table(asked.by, &rows))?,
    }
    Ok(Exit::Success)
}

async fn sums(config: &Config, by: By, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
    Reader::open(&config.ledger)?.usage(by, filter).await
}
