//! `callsign forget`: erases a person, keeps the sums.

use std::io::{self, Write};

use super::args::Forget;
use super::{Exit, books};
use crate::config::Config;
use crate::ledger::{Keeper, LedgerError, Reader};

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
        Err(error) => books::refuse(&error, err),
    }
}

async fn forget(
    config: &Config,
    asked: &Forget,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Result<Exit, LedgerError>> {
    let (reader, keeper) = match Reader::open(&config.ledger).and_then(|r| Ok((r, Keeper::open(&config.ledger)?))) {
        Ok(books) => books,
        Err(error) => return Ok(Err(error)),
    };
    let person = match books::person(&reader, &asked.user, asked.tenant.as_deref(), err).await? {
        Ok(Some(person)) => person,
        Ok(None) => return Ok(Ok(Exit::Failure)),
        Err(error) => return Ok(Err(error)),
    };
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
