//! Errors of backups. Their texts contain paths and no values of rows.

use std::io;
use std::path::{Path, PathBuf};

/// A reason for which a backup is not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is in a file.
    #[error("there is no SQLite file to copy: set CALLSIGN_DATA_DIR; use pg_dump for PostgreSQL")]
    Nothing,
    /// The target exists.
    #[error("{0} exists: choose a new directory")]
    Exists(PathBuf),
    /// A file or directory cannot be used.
    #[error("{path}: cannot {what}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The failed operation.
        what: &'static str,
        /// The reason.
        error: io::Error,
    },
    /// A database cannot be read or copied.
    #[error("{path}: {reason}")]
    Database {
        /// The file.
        path: PathBuf,
        /// The reason, as the database gives it.
        reason: String,
    },
    /// The directory is no complete backup.
    #[error("{0} is no complete backup of this version: {1}")]
    Manifest(PathBuf, String),
    /// A copy is not the one that was written.
    #[error("{0} is not the file that was backed up: its size or SHA-256 differs from manifest.json")]
    Changed(PathBuf),
    /// A newer version has written the file.
    #[error("{0} was written by a newer callsign: restore it with that version")]
    Newer(PathBuf),
    /// A server or another command has the directory.
    #[error("callsign is running on {0}: stop it first")]
    Running(PathBuf),
    /// The configuration has no place for a file.
    #[error("the backup has {0}, and the configuration has no place for it: {1}")]
    NoPlace(&'static str, &'static str),
    /// The list of blocks in the backup is older than the one here.
    #[error(
        "the blocks, limits and keys in the backup are older (version {found}) than those here (version {latest}). \
         Blocks and revocations of keys since then would be lost. Choose --state keep (restores the ledger alone) or \
         --state replace (takes the older list)"
    )]
    OlderState {
        /// The version in the backup.
        found: i64,
        /// The latest version that was written here.
        latest: i64,
    },
    /// The choice leaves nothing to restore.
    #[error("the backup has no ledger, so nothing is left to restore with --state keep")]
    NothingLeft,
}

impl BackupError {
    /// Creates the error of a file.
    pub(super) fn file(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, what, error }
    }

    /// Creates the error of a database.
    pub(super) fn database(path: &Path) -> impl FnOnce(sqlx::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Database { path, reason: crate::ledger::error::reason(&error) }
    }
}
