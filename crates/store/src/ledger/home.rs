//! The directory of a ledger: whether it can be used, and which run of callsign was in it before this one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// As many callsigns may share a directory.
const PLACES: u32 = 64;

/// This run's place in a data directory, held until it is dropped, even by a crash.
#[derive(Debug)]
pub(super) struct Home {
    /// This run.
    pub(super) node: Arc<str>,
    /// The run that had the place before and is not there any more.
    pub(super) before: Option<String>,
    /// Locked.
    _place: Option<File>,
}

/// A name that no other run has.
fn name() -> Arc<str> {
    uuid::Uuid::now_v7().simple().to_string().into()
}

impl Home {
    /// Without a directory nothing is known of the run before; others notice its silence after a while.
    pub(super) fn nowhere() -> Self {
        Self { node: name(), before: None, _place: None }
    }

    /// Makes the directory unless it is there, and takes the first free place in it.
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
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "too many callsigns share it"))
    }
}

/// Makes a directory for callsign alone, unless it is there.
pub(super) fn make(directory: &Path) -> io::Result<()> {
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
        drop(first);
        let third = Home::take(&path).unwrap();
        assert_eq!(third.before, Some(left));
        assert_ne!(third.node, second.node);
    }
}
