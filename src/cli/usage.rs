//! `callsign usage`: prints spend and tokens from the ledger.

use std::io::{self, Write};

use super::args::{Format, Usage};
use super::{Exit, ledger_access};
use crate::config::Config;
use callsign_store::ledger::query::{Filter, Grouping, UsageRow};
use callsign_store::ledger::report::Columns;
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
    if asked.format != Format::Table && asked.columns() != Columns::Usual {
        writeln!(err, "callsign: --wide and --columns are for the table; csv and json have all columns")?;
        return Ok(Exit::Invalid);
    }
    let Some(filter) = ledger_access::selection(&asked.of, err)? else { return Ok(Exit::Invalid) };
    let rows = match sums(config, asked.by, &filter).await {
        Ok(rows) => rows,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    match asked.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report::usage_json(asked.by, &rows))?)?,
        Format::Csv => write!(out, "{}", report::usage_csv(asked.by, &rows))?,
        Format::Table if rows.is_empty() => writeln!(out, "The ledger has no request in this period.")?,
        Format::Table => match report::usage_table(asked.by, &rows, &asked.columns()) {
            Ok(table) => {
                write!(out, "{table}")?;
                note(&rows, err)?;
            }
            Err(error) => {
                writeln!(err, "callsign: --columns: {error}")?;
                return Ok(Exit::Invalid);
            }
        },
    }
    Ok(Exit::Success)
}

/// Says which costs are missing from the sums.
fn note(rows: &[UsageRow], err: &mut impl Write) -> io::Result<()> {
    let sum = |count: fn(&UsageRow) -> u64| rows.iter().map(count).sum::<u64>();
    let (pending, never) = (sum(|row| row.pending), sum(|row| row.never));
    if pending > 0 {
        writeln!(
            err,
            "callsign: the cost of {pending} requests is not known yet; `callsign reconcile` looks it up now"
        )?;
    }
    if never > 0 {
        writeln!(
            err,
            "callsign: the cost of {never} requests can never be found; OpenRouter may have charged for them"
        )?;
    }
    Ok(())
}

async fn sums(config: &Config, by: Grouping, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
    Reader::open(&config.ledger)?.usage(by, filter).await
}
