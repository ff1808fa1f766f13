//! The error of a command that reads ledger, archive and files.

use std::io::{self, Write};
use std::path::Path;

use super::Exit;
use callsign_core::visible::printable;
use callsign_store::archive::ArchiveError;
use callsign_store::ledger::LedgerError;

/// A reason for which a command ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// An I/O error of the command's output.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The ledger is off or cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archive cannot be read or written.
    #[error("the archive {0}")]
    Archive(#[from] ArchiveError),
    /// A file of the command cannot be created, read or written.
    #[error("{path}: {what}: {error}")]
    File {
        /// The file.
        path: String,
        /// The failed operation.
        what: &'static str,
        /// The reason.
        error: io::Error,
    },
    /// The command line is invalid.
    #[error("{0}")]
    Usage(String),
}

impl CommandError {
    /// Creates the error of a file.
    pub(super) fn file(path: &Path, what: &'static str, error: io::Error) -> Self {
        Self::File { path: path.display().to_string(), what, error }
    }

    /// Prints the error and returns the exit code.
    ///
    /// # Errors
    /// I/O errors of the command's output and of `err`.
    pub(super) fn report(self, err: &mut impl Write) -> io::Result<Exit> {
        let exit = match self {
            Self::Output(error) => return Err(error),
            Self::Usage(_) => Exit::Invalid,
            _ => Exit::Failure,
        };
        writeln!(err, "callsign: {}", printable(&self.to_string()))?;
        Ok(exit)
    }
}
