//! What can go wrong with the archive where somebody is there to be told; of the request path, only that there is none.

use std::io;

/// Why the archive cannot be used. The text holds no password and nothing that was archived.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The directory cannot be made or written.
    #[error("the archive's directory cannot be used: {0}")]
    Directory(io::Error),
    /// No thread could be started.
    #[error("the archive's threads cannot be started: {0}")]
    Thread(io::Error),
    /// A file cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The password is another one.
    #[error("was written with another password")]
    Password,
    /// It is no archive of callsign's, or is damaged.
    #[error("is damaged: {0}")]
    Damaged(String),
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// No archive can be written, and one must be (`CALLSIGN_ARCHIVE_REQUIRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("requests cannot be archived at the moment, and must be; try again")]
pub struct Unavailable;
