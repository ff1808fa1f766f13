//! Where requests are written down, and for how long (contract, section 6).

use std::path::PathBuf;

use crate::secret::Secret;

/// The ledger's settings.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Where rows go; `None` is off.
    pub store: Option<Store>,
    /// Whether the end of an answer waits for its row.
    pub mode: Mode,
    /// Rows that began longer ago are deleted.
    pub retention_days: u32,
    /// `CALLSIGN_DATA_DIR`: where the spill file lives. Without one there is none.
    pub data_dir: Option<PathBuf>,
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
