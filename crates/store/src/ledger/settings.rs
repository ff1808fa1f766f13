//! The settings of the ledger.

use std::path::PathBuf;

use callsign_core::secret::Secret;

/// The ledger's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where rows go; `None` is off.
    pub store: Option<Store>,
    /// Whether the end of an answer waits for its row.
    pub mode: Mode,
    /// Rows that began longer ago are deleted.
    pub retention_days: u32,
    /// `CALLSIGN_DATA_DIR`: where embedded state lives, the spill file among it.
    pub data_dir: Option<PathBuf>,
    /// Whether the operator chose it: one that cannot be used is then no reason to go on without.
    pub data_dir_set: bool,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Store {
    /// A file.
    Sqlite(PathBuf),
    /// `postgres://…`, which may hold a password.
    Postgres(Secret),
}

/// See [`Ledger::mode`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A crash may lose the last 50 ms.
    #[default]
    Fast,
    /// The end of an answer waits for its row.
    Strict,
}
