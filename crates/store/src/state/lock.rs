//! One process per data directory (docs/SPEC.md#directory-lock).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// The lock file in the data directory. It has the process id of its latest holder.
const FILE: &str = "callsign.lock";
/// Bytes of the lock file that are read.
const MOST_DIGITS: u64 = 20;

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
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(directory.join(FILE))?;
        match file.try_lock() {
            Ok(()) => {
                note_holder(&file);
                Ok(Some(Self { _file: Arc::new(file) }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the id of the process that took the lock last, for messages. In a container it is the id there.
    pub fn holder(directory: &Path) -> Option<u32> {
        let mut text = String::new();
        let file = File::open(directory.join(FILE)).ok()?;
        file.take(MOST_DIGITS).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

/// Writes the id of this process into the lock file. The lock does not depend on it, so errors are ignored.
fn note_holder(mut file: &File) {
    let id = std::process::id();
    let _unknown = file.set_len(0).and_then(|()| writeln!(file, "{id}"));
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
        assert_eq!(DirectoryLock::holder(&path), Some(std::process::id()));
        drop(clone);
        assert!(DirectoryLock::try_take(&path).unwrap().is_some());
    }
}
