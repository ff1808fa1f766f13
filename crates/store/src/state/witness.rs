//! The number of the latest version of `state.db`, in a file of its own (docs/SPEC.md#block-merge). It shows that
//! `state.db` is gone, empty or an old copy, which otherwise looks like a list without blocks.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::StateError;
use super::mark::Mark;

/// The file `state.version` beside `state.db`.
#[derive(Debug)]
pub(super) struct Witness {
    path: PathBuf,
    /// The number in the file, if this process wrote it.
    written: Option<i64>,
}

impl Witness {
    pub(super) fn new(directory: &Path) -> Self {
        Self { path: file(directory), written: None }
    }

    /// Fails if callsign has written a later version than this one.
    pub(super) fn check(&self, mark: &Mark) -> Result<(), StateError> {
        let latest = read(&self.path).map_err(|error| StateError::Unavailable {
            place: "state.db",
            reason: format!("state.version: {error}"),
        })?;
        let Some(latest) = latest else { return Ok(()) };
        if mark.number < latest {
            return Err(StateError::Outdated { found: mark.number, latest });
        }
        Ok(())
    }

    /// Records a version. A failure leaves the earlier number, which a later version passes.
    pub(super) fn record(&mut self, mark: &Mark) {
        let is_first = mark.number == 0 && !self.path.exists();
        if self.written != Some(mark.number) && !is_first && self.replace(mark.number).is_ok() {
            self.written = Some(mark.number);
        }
    }

    /// Replaces the file as a whole: a torn number would be another one.
    fn replace(&self, number: i64) -> io::Result<()> {
        let new = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| {
                writeln!(file, "{number}")?;
                file.sync_data()
            })
            .and_then(|()| std::fs::rename(&new, &self.path));
        if written.is_err() {
            // Nothing may be left of a failed attempt; if that fails too, the next one replaces it.
            let _left = std::fs::remove_file(&new);
        }
        written
    }
}

/// Returns the path of the file.
pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join("state.version")
}

/// Returns the number of the latest version that was written in a directory.
pub(crate) fn latest(directory: &Path) -> io::Result<Option<i64>> {
    read(&file(directory))
}

/// Replaces the number, after the operator's decision to use an older `state.db`.
pub(crate) fn set(directory: &Path, number: i64) -> io::Result<()> {
    Witness::new(directory).replace(number)
}

fn read(path: &Path) -> io::Result<Option<i64>> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| io::Error::other("it holds no number")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
