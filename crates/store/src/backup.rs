//! Copies of the SQLite databases, and their return (docs/SPEC.md#backup-and-restore).
//!
//! ```text
//! ledger.db, ledger-spill.db, state.db ─► write ─► DIR/…, manifest.json ─► Plan::read ─► Plan::apply ─► the same files
//! ```
//!
//! | module | purpose |
//! |---|---|
//! | [`files`] | the databases of a configuration and their paths |
//! | [`write`](mod@write) | copies them while servers run |
//! | [`manifest`] | the list of the copies, with sizes and digests |
//! | `inspect` | reads what a database file holds: whether it is intact, its schema, its version |
//! | [`restore`] | checks a backup, and puts its files in place |
//! | [`error`] | reasons for which one of them ends |
//!
//! PostgreSQL has its own tools. What it holds is in no copy.

pub mod error;
pub mod files;
mod inspect;
pub mod manifest;
pub mod restore;
pub mod write;

pub use error::BackupError;
pub use files::Part;
pub use manifest::Manifest;
pub use restore::{OlderState, Plan};
