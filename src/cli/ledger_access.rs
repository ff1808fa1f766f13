//! What the commands that ask the ledger have in common.

use std::io::{self, Write};

use jiff::Timestamp;

use super::Exit;
use crate::config::printable;
use callsign_store::ledger::query::{Filter, Mapping};
use callsign_store::ledger::{self, LedgerError, Reader};

/// Which rows `--since` and `--tenant` mean; `None` if the time cannot be read, which is said on `err`.
///
/// # Errors
/// Those of `err`.
pub(super) fn filter(since: Option<&str>, tenant: Option<&str>, err: &mut impl Write) -> io::Result<Option<Filter>> {
    match since.map(|text| ledger::since(text, Timestamp::now())).transpose() {
        Ok(since) => Ok(Some(Filter { since, tenant: tenant.map(str::to_owned), ..Filter::default() })),
        Err(error) => {
            writeln!(err, "callsign: --since {error}")?;
            Ok(None)
        }
    }
}

/// Says why the ledger gives no answer.
///
/// # Errors
/// Those of `err`.
pub(super) fn refuse(error: &LedgerError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {}", printable(&error.to_string()))?;
    Ok(Exit::Failure)
}

/// The one person of this id; what keeps it from being one is said on `err`.
///
/// # Errors
/// The ledger's (inner), and those of `err`.
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
        0 => writeln!(err, "callsign: no request of such a user is in the ledger")?,
        1 => {}
        _ => {
            writeln!(err, "callsign: this id exists in several tenants; say which by --tenant:")?;
            for mapping in &found {
                match mapping.tenant.as_deref() {
                    Some(tenant) => writeln!(err, "  --tenant {}", printable(tenant))?,
                    None => writeln!(err, "  --tenant ''   (users of no tenant)")?,
                }
            }
            found.clear();
        }
    }
    Ok(Ok(found.pop()))
}
