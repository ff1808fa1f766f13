//! Reads archives, for `callsign archive` and for forgetting a user. Needs only the directory and the password.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ::zip::ZipArchive;
use ::zip::result::ZipError;
use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::meta::Meta;
use super::path::{self, Case, Named};
use super::settings::Place;
pub use super::walk::Found;
use super::walk::{Visitor, Whose, walk};
use callsign_core::secret::Secret;

/// The entry that describes the others.
const META: &str = "meta.json";
/// Maximum bytes of `meta.json` that are read. Real ones have a few KB.
const LARGEST_META: u64 = 1 << 20;

/// Maximum number of files of a chat that are searched for a request's archive.
const MOST_SIBLINGS: usize = 2_000;

/// An archive that was opened with the right password.
#[derive(Debug)]
pub struct Opened {
    /// The archive's `meta.json`.
    pub meta: Meta,
    zip: ZipArchive<BufReader<File>>,
}

impl Opened {
    /// Opens an archive and reads its `meta.json`.
    ///
    /// # Errors
    /// [`ArchiveError`] if the file cannot be read, has a different password, or is damaged.
    pub fn open(path: &Path, password: &Secret) -> Result<Self, ArchiveError> {
        let mut zip = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(problem)?;
        let mut text = Vec::new();
        let file = zip.by_name_decrypt(META, password.expose().as_bytes()).map_err(problem)?;
        // One in 65,536 wrong passwords passes the first check; it fails here.
        file.take(LARGEST_META).read_to_end(&mut text).map_err(unreadable)?;
        let meta = serde_json::from_slice(&text)
            .map_err(|error| ArchiveError::Damaged(format!("invalid meta.json: {error}")))?;
        Ok(Self { meta, zip })
    }

    /// Returns the entries' names in order. Skips names that are not UTF-8; `verify` reports such a file as damaged.
    pub fn entries(&self) -> Vec<String> {
        self.zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect()
    }

    /// Writes an entry's clear text to `out` and returns its length in bytes. The text is authentic only if this
    /// returns `Ok`.
    ///
    /// # Errors
    /// [`ArchiveError`] if the entry cannot be read or is damaged. `out` may have received a part of it.
    pub fn copy(&mut self, entry: &str, password: &Secret, out: &mut impl io::Write) -> Result<u64, ArchiveError> {
        let mut file = self.zip.by_name_decrypt(entry, password.expose().as_bytes()).map_err(problem)?;
        io::copy(&mut file, out).map_err(unreadable)
    }

    /// Reads the whole archive and checks that its entries are authentic and are those that `meta.json` lists.
    ///
    /// # Errors
    /// The first problem that is found.
    pub fn verify(&mut self, password: &Secret) -> Result<(), ArchiveError> {
        let damaged = |message: String| Err(ArchiveError::Damaged(message));
        let parts = self.meta.parts.clone();
        if self.zip.len() != parts.len() + 1 {
            return damaged(format!("found {} entries, but meta.json lists {}", self.zip.len(), parts.len() + 1));
        }
        for (name, part) in parts {
            let mut hash = Hash { state: Sha256::new(), bytes: 0 };
            self.copy(&name, password, &mut hash)?;
            let sha256 = data_encoding::HEXLOWER.encode(&hash.state.finalize());
            if (hash.bytes, &sha256) != (part.bytes, &part.sha256) {
                return damaged(format!("{name} differs from its size or SHA-256 in meta.json"));
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
        ZipError::FileNotFound => ArchiveError::Damaged("an entry is missing".to_owned()),
        other => ArchiveError::Damaged(other.to_string()),
    }
}

/// Converts an error that occurred after the file was opened.
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
        // The file is written after the request ends, so its age is at most the request's.
        let modified = || found.path.symlink_metadata().and_then(|metadata| metadata.modified());
        let is_old = self.since.is_some_and(|since| modified().is_ok_and(|modified| modified < since));
        if !is_old && (self.wanted)(&found) {
            self.found.push(found);
        }
        Ok(())
    }
}

/// Returns the archives that were written at or after `since`, in order of path.
///
/// # Errors
/// An I/O error if the directory cannot be read.
pub fn list(directory: &Path, since: Option<SystemTime>) -> io::Result<Vec<Found>> {
    matching(directory, since, &|_| true)
}

/// Returns the archives whose path contains this identifier as user, chat or message, or whose path below the directory
/// is `id`.
///
/// # Errors
/// An I/O error if the directory cannot be read.
pub fn named(directory: &Path, id: &str) -> io::Result<Vec<Found>> {
    let parts = [Case::Kept, Case::Ignored].map(|case| path::part(id, case));
    let at = directory.join(PathBuf::from(id));
    matching(directory, None, &|found| found.path == at || found.parts.iter().any(|part| parts.contains(part)))
}

/// The archives of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfPerson {
    /// Their paths.
    pub paths: Vec<PathBuf>,
    /// Archives that cannot be decrypted or are damaged. Their user is unknown.
    pub unreadable: u64,
}

/// Finds a user's archives by the `meta.json` of each archive of the tenant.
struct Search<'a> {
    password: &'a Secret,
    tenant: Option<&'a str>,
    user: &'a str,
    found: OfPerson,
}

impl Visitor for Search<'_> {
    fn file(&mut self, found: Found) -> io::Result<()> {
        match Opened::open(&found.path, self.password) {
            Ok(Opened { meta, .. }) => {
                if meta.ids.user.as_deref() == Some(self.user) && meta.tenant.as_deref() == self.tenant {
                    self.found.paths.push(found.path);
                }
            }
            // A sweep removed the file meanwhile.
            Err(ArchiveError::Read(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => self.found.unreadable += 1,
        }
        Ok(())
    }
}

/// Returns the archives of a user of this tenant (`None`: of no tenant), in order of path. `user` is the id as the caller
/// states it, before formatting. Folder names are not enough: a format may render several users alike, and may have
/// changed since the archive was written.
///
/// # Errors
/// An I/O error if the directory cannot be read.
pub fn of_person(directory: &Path, password: &Secret, tenant: Option<&str>, user: &str) -> io::Result<OfPerson> {
    let mut search = Search { password, tenant, user, found: OfPerson::default() };
    walk(directory, Whose::Tenant(tenant), &mut search)?;
    Ok(search.found)
}

/// Returns the archive of the request with this id. `named` are the identifiers under which it was written; a format that
/// has changed since hides it.
///
/// # Errors
/// An I/O error if its folder cannot be read. A folder that does not exist has no archives.
pub fn of_request(place: &Place, named: Named<'_>, id: &str) -> io::Result<Option<PathBuf>> {
    for case in [Case::Kept, Case::Ignored] {
        let message = path::part(named.message, case);
        let folder = place.directory.join(named.folders(case).iter().collect::<PathBuf>());
        let files = match std::fs::read_dir(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for file in files.take(MOST_SIBLINGS) {
            let file = file?;
            let name = file.file_name();
            let is_sibling = name.to_str().and_then(path::message_of) == Some(message.as_str());
            // A file that cannot be opened is not known to be the request's.
            if is_sibling
                && file.file_type()?.is_file()
                && Opened::open(&file.path(), &place.password).is_ok_and(|opened| opened.meta.request == id)
            {
                return Ok(Some(file.path()));
            }
        }
    }
    Ok(None)
}

fn matching(directory: &Path, since: Option<SystemTime>, wanted: &dyn Fn(&Found) -> bool) -> io::Result<Vec<Found>> {
    let mut list = List { since, wanted, found: Vec::new() };
    walk(directory, Whose::All, &mut list)?;
    Ok(list.found)
}
