//! `callsign restore`: puts the files of a backup in place (docs/SPEC.md#backup-and-restore).

use std::io::{self, Write};

use super::Exit;
use super::args::{Restore, State};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::backup::restore::Restored;
use callsign_store::backup::{BackupError, OlderState, Plan};
use callsign_store::ledger::settings::Store;

/// Restores a backup, or prints what would be replaced.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Restore,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let is_shared = matches!(config.ledger.store, Some(Store::Postgres(_))) || config.limits.store.is_some();
    let older = match asked.state {
        None => OlderState::Refuse,
        Some(State::Keep) => OlderState::Keep,
        Some(State::Replace) => OlderState::Replace,
    };
    let plan = match Plan::read(&config.ledger, is_shared, &asked.from, older).await {
        Ok(plan) => plan,
        Err(error) => return refused(&error, err),
    };
    writeln!(out, "The backup is of {:.0}, by callsign {}.", plan.manifest.made, printable(&plan.manifest.callsign))?;
    if asked.dry_run {
        if let Err(error) = plan.check() {
            return refused(&error, err);
        }
        for target in plan.targets() {
            writeln!(out, "would replace {}", printable(&target.display().to_string()))?;
        }
        return Ok(Exit::Success);
    }
    let Restored { files, kept } = match plan.apply().await {
        Ok(restored) => restored,
        Err(error) => return refused(&error, err),
    };
    for file in files {
        writeln!(out, "restored {}", printable(&file.display().to_string()))?;
    }
    for directory in kept {
        writeln!(out, "what was there before is in {}", printable(&directory.display().to_string()))?;
    }
    if is_shared {
        writeln!(
            err,
            "The blocks, limits and keys of PostgreSQL or Redis are merged with state.db at the next start."
        )?;
    }
    Ok(Exit::Success)
}

fn refused(error: &BackupError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {}", printable(&error.to_string()))?;
    Ok(Exit::Failure)
}
