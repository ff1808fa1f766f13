//! Starts the writer: locks its directory and opens its database.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::engine::{Purpose, Target};
use super::error::LedgerError;
use super::home::Home;
use super::queue::Shared;
use super::settings::Settings;
use super::spill::Spill;
use super::writer::{Plan, Writer};
use crate::ledger::settings::{Mode, Store};
use crate::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;

/// Maximum wait for the writer to start. Longer than the writer's own timeout for opening the database.
const START: Duration = Duration::from_secs(15);

/// Implements [`super::Ledger::open`].
pub(super) fn open(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    clock: &Arc<TrustedClock>,
) -> Result<Option<Arc<Shared>>, LedgerError> {
    let Some(store) = &settings.store else { return Ok(None) };
    let target = Target::new(store)?;
    let strict = settings.mode == Mode::Strict;
    let (home, directory) = match directory(settings).map(|directory| (directory, Home::take(directory))) {
        None => (Home::nowhere(), None),
        Some((directory, Ok(home))) => (home, Some(directory)),
        Some((_, Err(error))) if strict || settings.data_dir_set => return Err(LedgerError::Directory(error)),
        // The directory is unusable, but the rows are in another database, so only the spill file is missing.
        Some((directory, Err(error))) if !is_kept_in(settings, directory) => {
            tracing::error!(%error, "ledger: no spill file; cannot use the data directory");
            (Home::nowhere(), None)
        }
        Some((_, Err(error))) => {
            tracing::error!(%error, "the ledger is off: its directory cannot be used");
            return Ok(None);
        }
    };
    if let Store::Sqlite(path) = store
        && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
    {
        super::home::make(parent).map_err(LedgerError::Directory)?;
    }
    let shared = Shared::new(settings.mode, Arc::clone(metrics), Arc::clone(clock));
    let purpose = if strict { Purpose::WriteDurably } else { Purpose::Write };
    let spill = directory.map(|directory| Spill::new(directory, purpose));
    let plan = Plan { target, purpose, spill, retention_days: settings.retention_days };
    let (opened, waiting) = mpsc::channel();
    let writer = Writer::new(Arc::clone(&shared), plan, home);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LedgerError::Thread)?;
    let body = move || runtime.block_on(writer.run(opened));
    std::thread::Builder::new().name("ledger".to_owned()).spawn(body).map_err(LedgerError::Thread)?;
    match waiting.recv_timeout(START) {
        Ok(Ok(())) => Ok(Some(shared)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(LedgerError::Open("the writer did not start in time".to_owned())),
    }
}

/// Returns true if the database file is in this directory.
fn is_kept_in(settings: &Settings, directory: &Path) -> bool {
    match &settings.store {
        Some(Store::Sqlite(path)) => settings.data_dir.is_none() || path.starts_with(directory),
        _ => false,
    }
}

/// Returns the directory of the spill file: the data directory, or else the directory of the database's file.
pub(super) fn directory(settings: &Settings) -> Option<&Path> {
    let beside = match &settings.store {
        Some(Store::Sqlite(path)) => path.parent(),
        _ => None,
    };
    let beside = beside.map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    settings.data_dir.as_deref().or(beside)
}

/// Returns the path of the spill file; `None` if the settings name no directory.
pub(crate) fn spill_file(settings: &Settings) -> Option<std::path::PathBuf> {
    directory(settings).map(super::spill::file)
}
