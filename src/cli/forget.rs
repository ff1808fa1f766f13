//! `callsign forget`: erases a user from the ledger and the archive. Sums stay.

use std::io::{self, Write};

use super::args::Forget;
use super::{Exit, ledger_access};
use crate::config::{Config, printable};
use callsign_store::archive::settings::Place;
use callsign_store::archive::{self, ArchiveError};
use callsign_store::ledger::{Keeper, LedgerError, Reader};

/// Erases the user and prints how much was erased. Running it again is harmless.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Forget,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match forget(config, asked, out, err).await? {
        Ok(exit) => Ok(exit),
        Err(error) => ledger_access::refuse(&error, err),
    }
}

async fn forget(
    config: &Config,
    asked: &Forget,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Result<Exit, LedgerError>> {
    let place = config.archive.place.as_ref();
    let (reader, keeper) = match Reader::open(&config.ledger).and_then(|r| Ok((r, Keeper::open(&config.ledger)?))) {
        Ok(books) => books,
        Err(LedgerError::Off) if place.is_some() => return from_archive_alone(place, asked, out, err).await.map(Ok),
        Err(error) => return Ok(Err(error)),
    };
    // The archive may have requests of a user whom the ledger does not know.
    if place.is_some() && matches!(reader.mapping(&asked.user, asked.tenant.as_deref()).await.as_deref(), Ok([])) {
        return from_archive_alone(place, asked, out, err).await.map(Ok);
    }
    let person = match ledger_access::person(&reader, &asked.user, asked.tenant.as_deref(), err).await? {
        Ok(Some(person)) => person,
        Ok(None) => return Ok(Ok(Exit::Failure)),
        Err(error) => return Ok(Err(error)),
    };
    // The archive first: if this fails, the ledger still has the user, and the command can be repeated.
    if from_archive(place, person.tenant.as_deref(), &person.user, out, err).await?.is_err() {
        return Ok(Ok(Exit::Failure));
    }
    match keeper.forget(&person.user, person.tenant.as_deref()).await {
        Ok(forgotten) => {
            writeln!(
                out,
                "Forgotten: {} requests no longer name the user, {} identifiers are deleted. Sums are kept.",
                forgotten.requests, forgotten.identifiers
            )?;
            Ok(Ok(Exit::Success))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Erases the archives of a user whom no ledger knows. The tenant is that of `--tenant`.
async fn from_archive_alone(
    place: Option<&Place>,
    asked: &Forget,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let tenant = asked.tenant.as_deref().filter(|tenant| !tenant.is_empty());
    Ok(match from_archive(place, tenant, &asked.user, out, err).await? {
        Ok(removed) if removed > 0 => Exit::Success,
        Ok(_) => {
            writeln!(err, "callsign: no request of this user is in the ledger or the archive")?;
            Exit::Failure
        }
        Err(_) => Exit::Failure,
    })
}

/// Removes the user's archived requests and returns their number. Errors are already reported on `err`.
async fn from_archive(
    place: Option<&Place>,
    tenant: Option<&str>,
    user: &str,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Result<u64, ArchiveError>> {
    let Some(place) = place else { return Ok(Ok(0)) };
    match archive::forget_person(place, tenant, user).await {
        Ok(forgotten) => {
            writeln!(out, "Archives removed: {}.", forgotten.removed)?;
            if forgotten.unreadable > 0 {
                let stay = forgotten.unreadable;
                writeln!(err, "callsign: {stay} archives cannot be read (another password?) and are kept")?;
            }
            Ok(Ok(forgotten.removed))
        }
        Err(error) => {
            writeln!(err, "callsign: erasing from the archive failed: {}", printable(&error.to_string()))?;
            Ok(Err(error))
        }
    }
}
