//! Errors of the archive. The request path only sees [`ArchiveUnavailableError`]; the other errors go to the operator.

use std::io;

/// An error that is reported to the operator. Its text contains neither the password nor archived content.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The directory cannot be created or written.
    #[error("cannot write to the archive directory (CALLSIGN_ARCHIVE_DIR): {0}")]
    Directory(io::Error),
    /// A thread cannot be started.
    #[error("cannot start the archive's threads: {0}")]
    Thread(io::Error),
    /// A file cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The file is encrypted with a different password.
    #[error("was written with another password")]
    Password,
    /// The file is not an archive that callsign wrote, or is damaged.
    #[error("is damaged: {0}")]
    Damaged(String),
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// A request is refused because it cannot be archived and `CALLSIGN_ARCHIVE_REQUIRED` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the archive is unavailable and CALLSIGN_ARCHIVE_REQUIRED is set; retry later")]
pub struct ArchiveUnavailableError;
