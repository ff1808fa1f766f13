//! The encrypted zip file that `case` and `export` write (docs/SPEC.md#case-and-export).
//!
//! Clear text never reaches a disk. The file is new, has mode 0600, and is removed if it cannot be completed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::CommandError;
use super::person::shown;
use crate::config::{Config, zip_password};
use callsign_core::secret::Secret;
use callsign_core::visible::printable;
use callsign_store::archive::reader::{self, Opened};
use callsign_store::archive::settings::Place;
use callsign_store::archive::{EncryptedZip, Meta};
use callsign_store::limits::keys::material;
use callsign_store::person::Person;

/// Maximum bytes of a password file that are read. A password has at most 99.
const LARGEST_PASSWORD_FILE: u64 = 4096;

/// The password of a bundle.
#[derive(Debug)]
pub(super) struct Password {
    secret: Secret,
    is_new: bool,
}

impl Password {
    /// Reads the password from this file, or makes a new one of 160 random bits.
    pub(super) fn new(file: Option<&Path>) -> Result<Self, CommandError> {
        let Some(path) = file else {
            let text = material::random_text().map_err(CommandError::Output)?;
            return Ok(Self { secret: Secret::new(text), is_new: true });
        };
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST_PASSWORD_FILE).read_to_string(&mut text));
        read.map_err(|error| CommandError::Usage(format!("--password-file {}: {error}", path.display())))?;
        let secret = zip_password(text.trim_end_matches(['\r', '\n']));
        let secret = secret.map_err(|why| CommandError::Usage(format!("--password-file {}: {why}", path.display())))?;
        Ok(Self { secret, is_new: false })
    }

    /// Prints the password if it is new.
    pub(super) fn show(&self, bundle: &Path, err: &mut impl Write) -> io::Result<()> {
        if self.is_new {
            let (path, password) = (printable(&bundle.display().to_string()), self.secret.expose());
            writeln!(err, "callsign: the password of {path}, shown only once: {password}")?;
        }
        Ok(())
    }
}

/// An unfinished bundle. Its file is removed on drop unless `finish` succeeds.
pub(super) struct Bundle<'p> {
    path: PathBuf,
    zip: Option<Box<EncryptedZip<'p, BufWriter<File>>>>,
}

impl<'p> Bundle<'p> {
    /// Creates the file. Fails if the path exists, also as a symbolic link (`O_EXCL`).
    pub(super) fn create(path: &Path, password: &'p Password) -> Result<Self, CommandError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| CommandError::file(path, "cannot create the file", error))?;
        let zip = EncryptedZip::new(BufWriter::new(file), &password.secret, Timestamp::now());
        Ok(Self { path: path.to_owned(), zip: Some(Box::new(zip)) })
    }

    /// Begins an entry. What is written next is its content.
    pub(super) fn start(&mut self, name: &str) -> io::Result<()> {
        self.zip.as_mut().map_or(Ok(()), |zip| zip.start(name))
    }

    /// Writes an entry of JSON.
    pub(super) fn json(&mut self, name: &str, value: &Value) -> io::Result<()> {
        self.start(name)?;
        serde_json::to_writer_pretty(&mut *self, value)?;
        self.write_all(b"\n")
    }

    /// Begins an entry that is a list of JSON objects.
    pub(super) fn start_list(&mut self, name: &str) -> io::Result<()> {
        self.start(name)?;
        self.write_all(b"[")
    }

    /// Adds an object to the list, one per line. `index` counts from 0.
    pub(super) fn add_to_list(&mut self, index: usize, value: &Value) -> io::Result<()> {
        self.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        Ok(serde_json::to_writer(&mut *self, value)?)
    }

    /// Ends the list.
    pub(super) fn end_list(&mut self) -> io::Result<()> {
        self.write_all(b"\n]\n")
    }

    /// Completes the file and syncs it.
    pub(super) fn finish(mut self) -> Result<(), CommandError> {
        let Some(zip) = self.zip.take() else { return Ok(()) };
        let finish = || zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all();
        finish().map_err(|error| {
            let _already_gone = fs::remove_file(&self.path);
            CommandError::file(&self.path, "cannot write the file", error)
        })
    }
}

impl Write for Bundle<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.as_mut().map_or(Ok(bytes.len()), |zip| zip.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        if self.zip.take().is_some() {
            let _already_gone = fs::remove_file(&self.path);
        }
    }
}

/// Returns the archive for `--with-archives`; `None` without that option.
pub(super) fn archive(config: &Config, with_archives: bool) -> Result<Option<&Place>, CommandError> {
    match &config.archive.place {
        None if with_archives => {
            let why = "--with-archives needs the archive: set CALLSIGN_ARCHIVE_DIR and CALLSIGN_ARCHIVE_PASSWORD";
            Err(CommandError::Usage(why.to_owned()))
        }
        place => Ok(place.as_ref().filter(|_| with_archives)),
    }
}

/// Copied archives, and those that could not be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    pub(super) archives: u64,
    pub(super) unreadable: u64,
}

/// A complete bundle.
pub(super) struct Written<'w> {
    pub(super) path: &'w Path,
    pub(super) person: &'w Person,
    pub(super) requests: usize,
    pub(super) copied: Copied,
}

impl Written<'_> {
    /// Prints what the bundle holds, without its password.
    pub(super) fn print(&self, json: bool, out: &mut impl Write) -> io::Result<()> {
        let Self { path, person, requests, copied: Copied { archives, unreadable } } = self;
        if json {
            let result = json!({
                "path": path.display().to_string(),
                "user": person.user,
                "tenant": person.tenant,
                "requests": requests,
                "archives": archives,
                "archives_unreadable": unreadable,
            });
            return writeln!(out, "{result:#}");
        }
        let path = printable(&path.display().to_string());
        writeln!(out, "{path}: {}; {requests} requests, {archives} archives.", shown(person))
    }
}

/// Decrypts a person's archives and writes their entries into the bundle, below `archives/`. Damaged archives are
/// reported on `err` and left out.
pub(super) fn copy_archives(
    bundle: &mut Bundle<'_>,
    place: &Place,
    person: &Person,
    is_wanted: impl Fn(&Meta) -> bool,
    err: &mut impl Write,
) -> Result<Copied, CommandError> {
    let found = reader::of_person(&place.directory, &place.password, person.tenant.as_deref(), &person.user);
    let found = found.map_err(|error| CommandError::file(&place.directory, "cannot read the archive", error))?;
    let mut copied = Copied { archives: 0, unreadable: found.unreadable };
    for path in &found.paths {
        let below = path.strip_prefix(&place.directory).unwrap_or(path);
        let opened = Opened::open(path, &place.password);
        if opened.as_ref().is_ok_and(|opened| !is_wanted(&opened.meta)) {
            continue;
        }
        // The text of an entry is authentic only after its last byte has been read, so the archive is read twice.
        let verified = opened.and_then(|mut opened| opened.verify(&place.password).map(|()| opened));
        match verified {
            Ok(mut opened) => {
                copy(bundle, &mut opened, &place.password, &below.with_extension(""))?;
                copied.archives += 1;
            }
            Err(error) => {
                copied.unreadable += 1;
                writeln!(err, "callsign: {} {error}", printable(&below.display().to_string()))?;
            }
        }
    }
    if copied.unreadable > 0 {
        let missing = copied.unreadable;
        writeln!(err, "callsign: {missing} archives cannot be read (another password?) and are left out")?;
    }
    Ok(copied)
}

fn copy(bundle: &mut Bundle<'_>, opened: &mut Opened, password: &Secret, folder: &Path) -> Result<(), CommandError> {
    for name in opened.entries() {
        // A name with a path could lead out of the directory where the bundle is unpacked.
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            bundle.start(&format!("archives/{}/{name}", folder.display()))?;
            opened.copy(&name, password, bundle)?;
        }
    }
    Ok(())
}
