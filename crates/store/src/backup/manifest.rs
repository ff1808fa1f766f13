//! `manifest.json` of a backup. It is written last, so a directory without it is incomplete.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::BackupError;

/// The name of the file.
const FILE: &str = "manifest.json";
/// The version of the format of backups.
const FORMAT: u32 = 1;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// The content of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The version of callsign that wrote it.
    pub callsign: String,
    /// The time of the backup.
    pub made: jiff::Timestamp,
    /// The number of the version of `state.db`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_version: Option<i64>,
    /// The copies.
    pub files: Vec<Copy>,
}

/// One copied file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// Its name in the backup.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Creates a list of copies that are made now.
    pub(super) fn new(files: Vec<Copy>, state_version: Option<i64>) -> Self {
        let callsign = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, callsign, made: jiff::Timestamp::now(), state_version, files }
    }

    /// Writes the list into a backup, and syncs file and directory.
    pub(super) fn write(&self, directory: &Path) -> Result<(), BackupError> {
        let path = directory.join(FILE);
        let written = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            let text = serde_json::to_string_pretty(self)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            File::open(directory)?.sync_all()
        };
        written().map_err(BackupError::file(&path, "write"))
    }

    /// Reads the list of a backup.
    ///
    /// # Errors
    /// [`BackupError`] if it is missing or of another format.
    pub fn read(directory: &Path) -> Result<Self, BackupError> {
        let invalid = |reason: String| BackupError::Manifest(directory.to_owned(), reason);
        let text =
            std::fs::read_to_string(directory.join(FILE)).map_err(|error| invalid(format!("{FILE}: {error}")))?;
        let read: Self = serde_json::from_str(&text).map_err(|error| invalid(format!("{FILE}: {error}")))?;
        if read.format == FORMAT { Ok(read) } else { Err(invalid(format!("{FILE} has format {}", read.format))) }
    }
}

impl Copy {
    /// Describes a file of this name.
    pub(super) fn of(name: &str, path: &Path) -> io::Result<Self> {
        let (bytes, sha256) = transfer(&mut File::open(path)?, &mut io::sink())?;
        Ok(Self { name: name.to_owned(), bytes, sha256 })
    }
}

/// Copies bytes. Returns their number and their SHA-256.
pub(super) fn transfer(from: &mut impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    let (mut digest, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = from.read(&mut chunk)?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        to.write_all(part)?;
        bytes += read as u64;
    }
    Ok((bytes, HEXLOWER.encode(&digest.finalize())))
}
