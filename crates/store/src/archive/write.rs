//! Writes a record to a file: under a temporary name first, then synced, then linked to its final name.
//!
//! After a crash a final name has a whole archive or does not exist. A temporary file may be left over; the next start
//! removes it. Linking fails if the name exists, so requests of one message do not overwrite each other, even if
//! several processes write (test: `requests_of_one_message_get_separate_files`).

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::body_recorder::Body;
use super::meta::{Meta, Part};
use super::path::{self, Case};
use super::queue::Record;
use super::zip::{self, Entry};
use callsign_core::secret::Secret;

/// The folder of temporary files. Parts of identifiers cannot begin with a dot.
const TEMPORARY: &str = ".tmp";
/// Numbers of a message's requests that are tried one by one. Further requests get random numbers.
const COUNTED: u32 = 1_000;
/// Minimum age of a left-over temporary file on file systems that do not support locks.
const STALE: Duration = Duration::from_hours(24);
/// Attempts to publish a file. A sweep may remove an empty folder between its creation and its use.
const TRIES: usize = 5;

/// Writes archives below one directory.
#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
    temporary: PathBuf,
    case: Case,
    password: Secret,
}

/// A temporary file that is removed on drop. It is locked so that other processes do not remove it as left over.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // On failure the file stays, and the next start removes it.
        let _left_over = fs::remove_file(&self.path);
    }
}

impl Shelf {
    /// Creates the directory if needed, checks that it is writable, and removes left-over temporary files.
    pub(super) fn open(directory: &Path, password: Secret) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let directory = directory.canonicalize()?;
        let temporary = directory.join(TEMPORARY);
        let mut shelf = Self { directory, temporary, case: Case::Kept, password };
        shelf.probe()?;
        shelf.case = shelf.detect_case()?;
        clean(&shelf.temporary)?;
        Ok(shelf)
    }

    /// Returns the archive's directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes, syncs and removes a small file, to check that the disk works.
    pub(super) fn probe(&self) -> io::Result<()> {
        let mut temporary = self.temporary()?;
        temporary.file.write_all(&[0; 4096])?;
        temporary.file.sync_all()
    }

    /// Writes one record and returns the path of its archive.
    pub(super) fn put(&self, record: &Record) -> io::Result<PathBuf> {
        let mut temporary = self.temporary()?;
        let entries = entries(record);
        let at = Timestamp::from_microsecond(record.begun.row.began_us).unwrap_or_default();
        let out = zip::write(BufWriter::with_capacity(64 * 1024, &mut temporary.file), &self.password, at, &entries)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let id = record.begun.row.id.to_string();
        let stand_in = record.finished.seen.generation.as_deref().unwrap_or(&id);
        let named = record.begun.named(stand_in);
        let (folders, message) = (named.folders(self.case), path::part(named.message, self.case));
        for _ in 1..TRIES {
            match self.publish(&temporary.path, &folders, &message) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => return result,
            }
        }
        self.publish(&temporary.path, &folders, &message)
    }

    /// Publishes a temporary file under the first free name of its message.
    fn publish(&self, temporary: &Path, folders: &[String], message: &str) -> io::Result<PathBuf> {
        let folder = self.make(folders)?;
        let mut number = 1;
        loop {
            let path = folder.join(path::file(message, number));
            if take_name(temporary, &path)? {
                sync(&folder)?;
                return Ok(path);
            }
            number = if number < COUNTED { number + 1 } else { random_number() };
        }
    }

    /// Creates the folders of an archive. Does not create the archive's directory itself: if that is missing, its disk
    /// is probably not mounted.
    fn make(&self, folders: &[String]) -> io::Result<PathBuf> {
        let mut path = self.directory.clone();
        for folder in folders {
            let parent = path.clone();
            path.push(folder);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => sync(&parent)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // A symbolic link could lead out of the directory.
                    if !fs::symlink_metadata(&path)?.is_dir() {
                        return Err(ErrorKind::NotADirectory.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(path)
    }

    fn temporary(&self) -> io::Result<Temporary> {
        match DirBuilder::new().mode(0o700).create(&self.temporary) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = self.temporary.join(format!("{}{}", Uuid::now_v7().simple(), path::ENDING));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Where locks are unsupported, `is_left_over` uses the file's age.
        let _unlocked = file.try_lock();
        Ok(Temporary { path, file })
    }

    /// Detects whether the file system is case-sensitive.
    fn detect_case(&self) -> io::Result<Case> {
        let temporary = self.temporary()?;
        let name = temporary.path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
        Ok(if self.temporary.join(name).try_exists()? { Case::Ignored } else { Case::Kept })
    }
}

/// Links the file to a name. Returns false if the name is taken.
fn take_name(temporary: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // File systems without hard links: check first, then rename. Two processes can race here.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            if path.try_exists()? {
                return Ok(false);
            }
            fs::rename(temporary, path).map(|()| true)
        }
        Err(error) => Err(error),
    }
}

/// Returns a random number of at least [`COUNTED`].
fn random_number() -> u32 {
    // The last bits of a version 7 UUID are random (RFC 9562, section 5.7).
    let [.., a, b, c, d] = Uuid::now_v7().into_bytes();
    u32::from_be_bytes([a, b, c, d]).max(COUNTED)
}

/// Syncs a folder's entries to disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes temporary files that no process has locked.
fn clean(temporary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && is_left_over(&entry.path()) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_left_over(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let age = file.metadata().and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
            matches!(age, Ok(Ok(age)) if age > STALE)
        }
    }
}

/// Returns the entries of a record's archive, `meta.json` first.
fn entries(record: &Record) -> Vec<Entry> {
    let request = if record.begun.is_form { "request.form" } else { "request.json" };
    let mut entries = vec![
        Entry { name: "headers.json", pieces: vec![json_bytes(&headers(record))] },
        Entry { name: request, pieces: record.request.pieces.clone() },
    ];
    let mut parts = BTreeMap::from([(request.to_owned(), part(&record.request))]);
    if let Some((kind, body)) = &record.response {
        entries.push(Entry { name: kind.entry(), pieces: body.pieces.clone() });
        parts.insert(kind.entry().to_owned(), part(body));
    }
    if let Some(headers) = entries.first() {
        let bytes = headers.pieces.iter().map(|piece| piece.len() as u64).sum();
        let whole = Part { bytes, of: bytes, truncated: false, sha256: digest(&headers.pieces) };
        parts.insert(headers.name.to_owned(), whole);
    }
    let meta = Meta::of(&record.begun, &record.finished, parts);
    entries.insert(0, Entry { name: "meta.json", pieces: vec![json_bytes(&meta)] });
    entries
}

fn headers(record: &Record) -> Value {
    let pairs = |headers: &Option<super::HeaderSnapshot>| headers.as_ref().map(super::HeaderSnapshot::pairs);
    json!({
        "request": {"received": record.begun.received.pairs(), "sent": record.begun.sent.pairs()},
        "response": {"received": pairs(&record.answered), "relayed": pairs(&record.relayed)},
    })
}

fn json_bytes(value: &impl serde::Serialize) -> Bytes {
    // Cannot fail: the values consist of strings, numbers, lists and maps with string keys.
    serde_json::to_vec_pretty(value).unwrap_or_default().into()
}

fn part(body: &Body) -> Part {
    Part { bytes: body.kept(), of: body.total, truncated: body.is_cut(), sha256: digest(&body.pieces) }
}

pub(super) fn digest(pieces: &[Bytes]) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
