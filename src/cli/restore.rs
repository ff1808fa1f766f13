//! `callsign restore`: puts the files of a backup in place (docs/SPEC.md#backup-and-restore).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Exit;
use super::args::{Restore, State};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::backup::restore::Restored;
use callsign_store::backup::{BackupError, Manifest, OlderState, Plan};
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
    let manifest = plan.manifest.clone();
    let done = if asked.dry_run {
        plan.check().map(|()| Restored { files: plan.targets().map(Into::into).collect(), kept: Vec::new() })
    } else {
        plan.apply().await
    };
    match done {
        Ok(restored) if asked.form.is_json() => writeln!(out, "{:#}", json(&manifest, &restored, asked.dry_run))?,
        Ok(restored) => print(&manifest, &restored, asked.dry_run, out)?,
        Err(error) => return refused(&error, err),
    }
    if is_shared && !asked.dry_run {
        writeln!(
            err,
            "The blocks, limits and keys of PostgreSQL or Redis are merged with state.db at the next start."
        )?;
    }
    Ok(Exit::Success)
}

fn json(manifest: &Manifest, restored: &Restored, dry_run: bool) -> Value {
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    json!({
        "made": manifest.made,
        "callsign": manifest.callsign,
        "dry_run": dry_run,
        "files": paths(&restored.files),
        "replaced": paths(&restored.kept),
    })
}

fn print(manifest: &Manifest, restored: &Restored, dry_run: bool, out: &mut impl Write) -> io::Result<()> {
    let shown = |path: &Path| printable(&path.display().to_string());
    writeln!(out, "The backup is of {:.0}, by callsign {}.", manifest.made, printable(&manifest.callsign))?;
    let done = if dry_run { "would replace" } else { "restored" };
    for file in &restored.files {
        writeln!(out, "{done} {}", shown(file))?;
    }
    for directory in &restored.kept {
        writeln!(out, "what was there before is in {}", shown(directory))?;
    }
    Ok(())
}

fn refused(error: &BackupError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {}", printable(&error.to_string()))?;
    Ok(Exit::Failure)
}
