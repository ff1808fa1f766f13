//! One process per data directory (docs/SPEC.md#directory-lock).

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// The lock on a data directory. It is released when the last clone is dropped, or when the process ends.
#[derive(Clone, Debug)]
pub struct DirectoryLock {
    _file: Arc<File>,
}

impl DirectoryLock {
    /// Takes the lock. Returns `None` if another process has it. Creates the directory if needed.
    ///
    /// # Errors
    /// I/O errors of the directory and the lock file.
    pub fn try_take(directory: &Path) -> io::Result<Option<Self>> {
        crate::ledger::home::make(directory)?;
        let mut options = OpenOptions::new();
        let path = directory.join("callsign.lock");
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Arc::new(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep").join("data");
        let first = DirectoryLock::try_take(&path).unwrap().unwrap();
        let clone = first.clone();
        drop(first);
        assert!(DirectoryLock::try_take(&path).unwrap().is_none());
        drop(clone);
        assert!(DirectoryLock::try_take(&path).unwrap().is_some());
    }
}
