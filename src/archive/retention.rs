//! Archives do not stay forever: what is older than `CALLSIGN_ARCHIVE_RETENTION_DAYS` is removed, at the start and hourly.
//!
//! Age is that of the file. Only archives are removed, and only folders of archives that are empty.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::queue::Shared;
use super::walk::{Found, Visitor, Whose, walk};

/// From one sweep to the next.
const PERIOD: Duration = Duration::from_hours(1);

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Archives that were removed.
    pub removed: u64,
    /// Archives that should have been and could not.
    pub failed: u64,
}

struct Sweep {
    before: SystemTime,
    swept: Swept,
}

impl Visitor for Sweep {
    fn file(&mut self, found: Found) -> io::Result<()> {
        let modified = fs::symlink_metadata(&found.path).and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified < self.before) {
            match fs::remove_file(&found.path) {
                Ok(()) => self.swept.removed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(_) => self.swept.failed += 1,
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) {
        prune(path);
    }
}

/// Removes a folder if it is empty; the system refuses where it is not.
pub(super) fn prune(path: &Path) {
    let _not_empty = fs::remove_dir(path);
}

/// Removes archives that were written before this moment, and folders that are empty.
///
/// # Errors
/// When the directory cannot be walked through.
pub fn sweep(directory: &Path, before: SystemTime) -> io::Result<Swept> {
    let mut sweep = Sweep { before, swept: Swept::default() };
    walk(directory, Whose::All, &mut sweep)?;
    Ok(sweep.swept)
}

/// Sweeps until the archive is closed.
pub(super) fn run(shared: &Shared, directory: &Path, days: u32) {
    let age = Duration::from_secs(u64::from(days) * 86_400);
    loop {
        // Without as much past there is nothing that old.
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        match sweep(directory, before) {
            Ok(Swept { removed, failed }) => {
                shared.metrics.archive.removed.inc_by(removed);
                if failed > 0 {
                    tracing::warn!(failed, "old archives cannot be removed");
                }
                if removed > 0 {
                    tracing::info!(removed, "old archives were removed");
                }
            }
            Err(error) => tracing::warn!(%error, "old archives cannot be looked for"),
        }
        if shared.rest(PERIOD) {
            return;
        }
    }
}
