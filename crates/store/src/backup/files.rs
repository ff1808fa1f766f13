//! The SQLite files of a configuration.

use std::path::{Path, PathBuf};

use crate::ledger;
use crate::ledger::settings::{Settings, Store};
use crate::state;

/// One of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Rows that the ledger's database did not take yet.
    Spill,
    /// The ledger.
    Ledger,
    /// Blocks, run-time limits, keys, the audit log, and counters of limits.
    State,
}

impl Part {
    /// All parts in the order in which they are copied. A row moves from the spill file into the ledger and is removed
    /// from the spill file last, so copying the ledger later loses none; a row that is in both counts once.
    pub const ALL: [Self; 3] = [Self::Spill, Self::Ledger, Self::State];

    /// Returns the name of the file in a backup.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spill => "ledger-spill.db",
            Self::Ledger => "ledger.db",
            Self::State => "state.db",
        }
    }

    /// Finds a part by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Returns the path of the file in a configuration; `None` if there is no place for it.
    pub fn path(self, settings: &Settings) -> Option<PathBuf> {
        match (self, &settings.store) {
            (Self::Ledger, Some(Store::Sqlite(path))) => Some(path.clone()),
            (Self::Ledger, _) | (Self::Spill, None) => None,
            (Self::Spill, Some(_)) => ledger::spill_file(settings),
            (Self::State, _) => settings.data_dir.as_deref().map(state::file),
        }
    }

    /// Returns the reason for [`Part::path`] to return `None`.
    pub(super) fn no_place(self) -> &'static str {
        match self {
            Self::State => "set CALLSIGN_DATA_DIR",
            _ => "CALLSIGN_LEDGER is not a SQLite file",
        }
    }
}

/// Returns the path of a file that SQLite keeps beside a database: its log (`-wal`) or the log's index (`-shm`).
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
