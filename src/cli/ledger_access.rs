//! Functions that the commands on the ledger share.

use std::io::{self, Write};

use jiff::Timestamp;

use super::Exit;
use super::args::Selection;
use callsign_core::visible::printable;
use callsign_store::ledger::query::Filter;
use callsign_store::ledger::{self, LedgerError};

/// Parses `--since` and `--tenant`. Returns `None` if the time is invalid, which is reported on `err`.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn filter(since: Option<&str>, tenant: Option<&str>, err: &mut impl Write) -> io::Result<Option<Filter>> {
    match since.map(|text| ledger::since(text, Timestamp::now())).transpose() {
        Ok(since) => Ok(Some(Filter { since, tenant: tenant.map(str::to_owned), ..Filter::default() })),
        Err(error) => {
            writeln!(err, "callsign: --since {error}")?;
            Ok(None)
        }
    }
}

/// Parses the selection of requests. Returns `None` if a time is invalid, which is reported on `err`.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn selection(of: &Selection, err: &mut impl Write) -> io::Result<Option<Filter>> {
    let now = Timestamp::now();
    let mut times = [None; 2];
    for ((name, text), time) in [("--since", &of.since), ("--until", &of.until)].into_iter().zip(&mut times) {
        match text.as_deref().map(|text| ledger::since(text, now)).transpose() {
            Ok(parsed) => *time = parsed,
            Err(error) => {
                writeln!(err, "callsign: {name} {error}")?;
                return Ok(None);
            }
        }
    }
    let [since, until] = times;
    Ok(Some(Filter {
        since,
        until,
        tenant: of.tenant.clone(),
        user: of.user.clone(),
        key: of.key.clone(),
        model: of.model.clone(),
        provider: of.provider.clone(),
        status: of.status,
    }))
}

/// Reports an error of the ledger.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn refuse(error: &LedgerError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {}", printable(&error.to_string()))?;
    Ok(Exit::Failure)
}
