//! Functions that the commands on the ledger share.

use std::io::{self, Write};

use jiff::Timestamp;

use super::Exit;
use super::args::Selection;
use crate::config::printable;
use callsign_store::ledger::query::{Filter, Mapping};
use callsign_store::ledger::{self, LedgerError, Reader};

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

/// Finds the user with this id. Returns `None`, with the reason on `err`, if there is none or several.
///
/// # Errors
/// Errors of the ledger (inner), and I/O errors of `err`.
pub(super) async fn person(
    reader: &Reader,
    user: &str,
    tenant: Option<&str>,
    err: &mut impl Write,
) -> io::Result<Result<Option<Mapping>, LedgerError>> {
    let mut found = match reader.mapping(user, tenant).await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    match found.len() {
        0 => writeln!(err, "callsign: no request of this user is in the ledger")?,
        1 => {}
        _ => {
            writeln!(err, "callsign: this id exists in several tenants; choose one with --tenant:")?;
            for mapping in &found {
                match mapping.tenant.as_deref() {
                    Some(tenant) => writeln!(err, "  --tenant {}", printable(tenant))?,
                    None => writeln!(err, "  --tenant ''   (users without a tenant)")?,
                }
            }
            found.clear();
        }
    }
    Ok(Ok(found.pop()))
}
