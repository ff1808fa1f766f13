//! The settings of the ledger.

use std::path::PathBuf;

use callsign_core::secret::Secret;

/// The ledger's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database; `None` turns the ledger off.
    pub store: Option<Store>,
    /// The durability of rows.
    pub mode: Mode,
    /// Age in days at which rows are deleted.
    pub retention_days: u32,
    /// `CALLSIGN_DATA_DIR`, the directory of local state such as the spill file.
    pub data_dir: Option<PathBuf>,
    /// True if the operator set `data_dir`. An unusable directory is then an error at the start.
    pub data_dir_set: bool,
}

/// The ledger's database.
#[derive(Clone, Debug)]
pub enum Store {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://…` URL, which may contain a password.
    Postgres(Secret),
}

/// The durability of rows (docs/SPEC.md#strict-mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Rows are written in the background. A crash may lose the last 50 ms.
    #[default]
    Fast,
    /// The end of a response waits for its row.
    Strict,
}
