//! `callsign requests` and `callsign request`: single requests of the ledger (docs/SPEC.md#requests).

use std::io::{self, Write};
use std::time::Duration;

use super::args::{Format, OneRequest, Requests};
use super::{Exit, ledger_access};
use crate::config::Config;
use callsign_store::ledger::query::{RequestFilter, RequestPage, StoredRequest};
use callsign_store::ledger::{LedgerError, Reader, report};

/// Maximum time of a search without an index.
const PATIENCE: Duration = Duration::from_millis(250);

/// Prints requests, newest first.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn list(
    config: &Config,
    asked: &Requests,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(common) = ledger_access::selection(&asked.of, err)? else { return Ok(Exit::Invalid) };
    let filter =
        RequestFilter { common, ending: asked.ending.clone(), error: asked.error.clone(), before: asked.before };
    let page = match read(config, &filter, asked.limit).await {
        Ok(page) => page,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    let requests = &page.requests;
    match asked.format {
        Format::Json => {
            let list: Vec<_> = requests.iter().map(report::request_json).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&list)?)?;
        }
        Format::Csv => write!(out, "{}", report::requests_csv(requests))?,
        Format::Table if requests.is_empty() => {}
        Format::Table => write!(out, "{}", report::requests_table(requests))?,
    }
    if let Some(next) = page.next {
        match page.searched_back_to {
            Some(time) => writeln!(err, "callsign: searched back to {time}; continue with --before {next}")?,
            None => writeln!(err, "callsign: more requests with --before {next}")?,
        }
    } else if requests.is_empty() {
        writeln!(err, "callsign: no request of the ledger matches")?;
        return Ok(Exit::Failure);
    }
    Ok(Exit::Success)
}

async fn read(config: &Config, filter: &RequestFilter, limit: u32) -> Result<RequestPage, LedgerError> {
    Reader::open(&config.ledger)?.requests(filter, limit, PATIENCE).await
}

/// Prints one request. A generation id can belong to several.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn one(
    config: &Config,
    asked: &OneRequest,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let found: Result<Vec<StoredRequest>, LedgerError> = match Reader::open(&config.ledger) {
        Ok(reader) => reader.request(asked.id.trim()).await,
        Err(error) => Err(error),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    if found.is_empty() {
        writeln!(err, "callsign: no request has this request id or generation id")?;
        return Ok(Exit::Failure);
    }
    if asked.format == "json" {
        let list: Vec<_> = found.iter().map(report::request_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&list)?)?;
    } else {
        for request in &found {
            write!(out, "{}", report::request_text(request))?;
        }
    }
    Ok(Exit::Success)
}
