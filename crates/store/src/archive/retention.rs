//! Removes archives that are older than `CALLSIGN_ARCHIVE_RETENTION_DAYS`, every hour, while the clock is trusted
//! (docs/SPEC.md#clocks).
//!
//! The age is that of the file's modification time. It must not remove anything except archives and their empty folders
//! (test: `a_sweep_removes_only_old_archives_and_empty_folders`).

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::queue::Shared;
use super::walk::{Found, Visitor, Whose, walk};
use crate::trusted_clock::TrustedClock;

/// Time between two sweeps.
const PERIOD: Duration = Duration::from_hours(1);
/// Time between two looks at a clock that is not trusted yet.
const UNTRUSTED: Duration = Duration::from_mins(1);

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Archives that were removed.
    pub removed: u64,
    /// Old archives that could not be removed.
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

/// Removes a folder if it is empty. `remove_dir` fails for any other folder.
pub(super) fn prune(path: &Path) {
    let _not_empty = fs::remove_dir(path);
}

/// Removes archives that were written before this time, and folders that are empty.
///
/// # Errors
/// An I/O error if the directory cannot be read.
pub fn sweep(directory: &Path, before: SystemTime) -> io::Result<Swept> {
    let mut sweep = Sweep { before, swept: Swept::default() };
    walk(directory, Whose::All, &mut sweep)?;
    Ok(sweep.swept)
}

/// Sweeps until the archive is closed.
pub(super) fn run(shared: &Shared, directory: &Path, days: u32, clock: &TrustedClock) {
    let age = Duration::from_secs(u64::from(days) * 86_400);
    loop {
        if !clock.may_delete() {
            if shared.wait_for_close(UNTRUSTED) {
                return;
            }
            continue;
        }
        // If the clock cannot represent that time, no file is that old.
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        match sweep(directory, before) {
            Ok(Swept { removed, failed }) => {
                shared.metrics.archive.removed.inc_by(removed);
                if failed > 0 {
                    tracing::warn!(failed, "archive: cannot remove expired archives");
                }
                if removed > 0 {
                    tracing::info!(removed, "archive: removed expired archives");
                }
            }
            Err(error) => tracing::warn!(%error, "archive: cannot search for expired archives"),
        }
        if shared.wait_for_close(PERIOD) {
            return;
        }
    }
}
