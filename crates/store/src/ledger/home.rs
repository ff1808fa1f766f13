//! The data directory of a ledger: creates it, and locks one of its slots for this process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Maximum number of processes that share a directory.
const PLACES: u32 = 64;

/// This process's slot in a data directory. It is locked until dropped, or until the process ends.
#[derive(Debug)]
pub(super) struct Home {
    /// The id of this process.
    pub(super) node: Arc<str>,
    /// The id of the earlier process that had the slot and has ended.
    pub(super) before: Option<String>,
    /// The locked file.
    _place: Option<File>,
}

/// Returns a unique process id.
fn name() -> Arc<str> {
    uuid::Uuid::now_v7().simple().to_string().into()
}

impl Home {
    /// Returns an id without a slot. The earlier process is then unknown; its rows are taken over once its heartbeat
    /// is old.
    pub(super) fn nowhere() -> Self {
        Self { node: name(), before: None, _place: None }
    }

    /// Creates the directory if needed and locks the first free slot.
    pub(super) fn take(directory: &Path) -> io::Result<Self> {
        make(directory)?;
        for place in 0..PLACES {
            let path = directory.join(format!("ledger-run-{place}"));
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            if file.try_lock().is_err() {
                continue;
            }
            let mut before = String::new();
            Read::by_ref(&mut file).take(64).read_to_string(&mut before)?;
            let node = name();
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(node.as_bytes())?;
            file.sync_data()?;
            let before = Some(before).filter(|before| !before.is_empty());
            return Ok(Self { node, before, _place: Some(file) });
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "more than 64 processes share the data directory"))
    }
}

/// Returns true if a process has a slot in the directory.
pub(crate) fn is_in_use(directory: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_slot = entry.file_name().to_str().is_some_and(|name| name.starts_with("ledger-run-"));
        if is_slot && matches!(File::open(entry.path())?.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Creates a directory that only its owner can access, if it does not exist.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_over_only_from_who_has_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep").join("data");
        let first = Home::take(&path).unwrap();
        let second = Home::take(&path).unwrap();
        assert_eq!((&first.before, &second.before), (&None, &None));
        assert_ne!(first.node, second.node);
        let left = first.node.to_string();
        assert!(is_in_use(&path).unwrap());
        drop(first);
        let third = Home::take(&path).unwrap();
        assert_eq!(third.before, Some(left));
        assert_ne!(third.node, second.node);
        drop((second, third));
        assert!(!is_in_use(&path).unwrap());
    }
}
