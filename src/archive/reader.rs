//! Reads archives back: for `callsign archive`, and for forgetting somebody. Needs the directory and the password alone.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ::zip::ZipArchive;
use ::zip::result::ZipError;
use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::meta::Meta;
use super::path::{self, Case};
pub use super::walk::Found;
use super::walk::{Visitor, Whose, walk};
use crate::secret::Secret;

/// The entry that says what the others are.
const META: &str = "meta.json";
/// No `meta.json` is as large.
const LARGEST_META: u64 = 1 << 20;

/// An archive that has been opened with the right password.
#[derive(Debug)]
pub struct Opened {
    /// What it says of itself.
    pub meta: Meta,
    zip: ZipArchive<BufReader<File>>,
}

impl Opened {
    /// Opens an archive and reads its `meta.json`.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(path: &Path, password: &Secret) -> Result<Self, ArchiveError> {
        let mut zip = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(problem)?;
        let mut text = Vec::new();
        let file = zip.by_name_decrypt(META, password.expose().as_bytes()).map_err(problem)?;
        // A wrong password that passes the first check is found out here.
        file.take(LARGEST_META).read_to_end(&mut text).map_err(unreadable)?;
        let meta =
            serde_json::from_slice(&text).map_err(|_| ArchiveError::Damaged("its meta.json is none".to_owned()))?;
        Ok(Self { meta, zip })
    }

    /// The names of its entries, in order.
    pub fn entries(&self) -> Vec<String> {
        // A name that cannot be read is none of callsign's, and then `verify` finds one too few.
        self.zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect()
    }

    /// Writes an entry's clear text to `out`. All of it is authenticated only when this has succeeded.
    ///
    /// # Errors
    /// [`ArchiveError`]; `out` has had a part of it then.
    pub fn copy(&mut self, entry: &str, password: &Secret, out: &mut impl io::Write) -> Result<u64, ArchiveError> {
        let mut file = self.zip.by_name_decrypt(entry, password.expose().as_bytes()).map_err(problem)?;
        io::copy(&mut file, out).map_err(unreadable)
    }

    /// Reads everything: every entry is whole and authentic, and they are those that `meta.json` names.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn verify(&mut self, password: &Secret) -> Result<(), ArchiveError> {
        let damaged = |message: String| Err(ArchiveError::Damaged(message));
        let parts = self.meta.parts.clone();
        if self.zip.len() != parts.len() + 1 {
            return damaged("it does not hold what its meta.json names".to_owned());
        }
        for (name, part) in parts {
            let mut hash = Hash { state: Sha256::new(), bytes: 0 };
            self.copy(&name, password, &mut hash)?;
            let sha256 = data_encoding::HEXLOWER.encode(&hash.state.finalize());
            if (hash.bytes, &sha256) != (part.bytes, &part.sha256) {
                return damaged(format!("{name} is not what its meta.json says"));
            }
        }
        Ok(())
    }
}

struct Hash {
    state: Sha256,
    bytes: u64,
}

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn problem(error: ZipError) -> ArchiveError {
    match error {
        ZipError::InvalidPassword => ArchiveError::Password,
        ZipError::Io(error) => unreadable(error),
        ZipError::FileNotFound => ArchiveError::Damaged("it lacks an entry".to_owned()),
        other => ArchiveError::Damaged(other.to_string()),
    }
}

/// Of a file that could be opened.
fn unreadable(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            ArchiveError::Damaged(error.to_string())
        }
        _ => ArchiveError::Read(error),
    }
}

struct List<'a> {
    since: Option<SystemTime>,
    wanted: &'a dyn Fn(&Found) -> bool,
    found: Vec<Found>,
}

impl Visitor for List<'_> {
    fn file(&mut self, found: Found) -> io::Result<()> {
        // It is never older than the request's end.
        let modified = || found.path.symlink_metadata().and_then(|metadata| metadata.modified());
        let is_old = self.since.is_some_and(|since| modified().is_ok_and(|modified| modified < since));
        if !is_old && (self.wanted)(&found) {
            self.found.push(found);
        }
        Ok(())
    }
}

/// Every archive that is not older than `since`, in order of path.
///
/// # Errors
/// When the directory cannot be walked through.
pub fn list(directory: &Path, since: Option<SystemTime>) -> io::Result<Vec<Found>> {
    matching(directory, since, &|_| true)
}

/// The archives whose user, chat or message is named by this identifier; or the one at this path below the directory.
///
/// # Errors
/// When the directory cannot be walked through.
pub fn named(directory: &Path, id: &str) -> io::Result<Vec<Found>> {
    let parts = [Case::Kept, Case::Ignored].map(|case| path::part(id, case));
    let at = directory.join(PathBuf::from(id));
    matching(directory, None, &|found| found.path == at || found.parts.iter().any(|part| parts.contains(part)))
}

fn matching(directory: &Path, since: Option<SystemTime>, wanted: &dyn Fn(&Found) -> bool) -> io::Result<Vec<Found>> {
    let mut list = List { since, wanted, found: Vec::new() };
    walk(directory, Whose::All, &mut list)?;
    Ok(list.found)
}
