//! `callsign forget`: erases a person from ledger and archive, keeps the sums.

use std::io::{self, Write};

use super::args::Forget;
use super::{Exit, ledger_access};
use callsign_store::archive::{self, ArchiveError};
use crate::config::{Config, printable};
use callsign_store::archive::settings::Place;
use callsign_store::ledger::{Keeper, LedgerError, Reader};

/// Erases, and says how much. The same person can be forgotten again.
///
/// # Errors
/// Those of `out` and `err`.
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
    // The archive may know whom the ledger does not.
    if place.is_some() && matches!(reader.mapping(&asked.user, asked.tenant.as_deref()).await.as_deref(), Ok([])) {
        return from_archive_alone(place, asked, out, err).await.map(Ok);
    }
    let person = match ledger_access::person(&reader, &asked.user, asked.tenant.as_deref(), err).await? {
        Ok(Some(person)) => person,
        Ok(None) => return Ok(Ok(Exit::Failure)),
        Err(error) => return Ok(Err(error)),
    };
    // First: should it fail, the ledger still knows whom to ask for again.
    if from_archive(place, person.tenant.as_deref(), &person.user, out, err).await?.is_err() {
        return Ok(Ok(Exit::Failure));
    }
    match keeper.forget(&person.user, person.tenant.as_deref()).await {
        Ok(forgotten) => {
            writeln!(
                out,
                "Forgotten: {} requests have no name any more, {} identifiers are gone. The sums are kept.",
                forgotten.requests, forgotten.identifiers
            )?;
            Ok(Ok(Exit::Success))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Without a ledger that knows the person, the tenant is the one that was said.
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
            writeln!(err, "callsign: no request of such a user is in ledger or archive")?;
            Exit::Failure
        }
        Err(_) => Exit::Failure,
    })
}

/// Removes the person's archives, if there are any; gives how many. What went wrong has been said.
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
                writeln!(err, "callsign: {stay} archives cannot be read; whose they are is not known, and they stay")?;
            }
            Ok(Ok(forgotten.removed))
        }
        Err(error) => {
            writeln!(err, "callsign: the archive {}", printable(&error.to_string()))?;
            Ok(Err(error))
        }
    }
}
