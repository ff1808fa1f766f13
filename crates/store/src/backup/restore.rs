//! Puts the files of a backup in place.
//!
//! What they replace is kept in a new directory beside it. The order leaves no moment at which a crash would make a
//! server start with an empty list of blocks: `state.version` is written last, and a server refuses a `state.db` that is
//! older than it says.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::BackupError;
use super::files::{Part, beside};
use super::inspect;
use super::manifest::{Copy, Manifest, transfer};
use crate::ledger;
use crate::ledger::engine::{Purpose, Target};
use crate::ledger::settings::Settings;
use crate::state;
use crate::state::DirectoryLock;

/// Maximum number of directories `replaced-TIME` of one second.
const MOST_PER_SECOND: u32 = 100;

/// The operator's decision about a `state.db` that is older than the one that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OlderState {
    /// Restore nothing.
    Refuse,
    /// Keep the present one, and restore the ledger alone.
    Keep,
    /// Replace the present one, whichever is older.
    Replace,
}

/// A checked backup, and the paths of its files.
#[derive(Debug)]
pub struct Plan {
    /// The content of the backup.
    pub manifest: Manifest,
    files: Vec<Planned>,
    /// The path of the ledger's spill file.
    spill: Option<PathBuf>,
    /// The directory of `state.version`, if that file has a meaning.
    witnessed: Option<PathBuf>,
    /// The lock on the data directory.
    _lock: Option<DirectoryLock>,
}

#[derive(Debug)]
struct Planned {
    part: Part,
    copy: Copy,
    from: PathBuf,
    to: PathBuf,
}

/// The result of a restoration.
#[derive(Debug, Default)]
pub struct Restored {
    /// The files that are in place.
    pub files: Vec<PathBuf>,
    /// The directories with what was there before.
    pub kept: Vec<PathBuf>,
}

impl Plan {
    /// Checks a backup against a configuration and the data directory, and keeps servers from starting on it while the
    /// plan exists. With `is_shared` the state is in PostgreSQL or Redis, and `state.db` is a copy of it.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn read(
        settings: &Settings,
        is_shared: bool,
        from: &Path,
        older: OlderState,
    ) -> Result<Self, BackupError> {
        let manifest = Manifest::read(from)?;
        let mut files = Vec::new();
        for copy in &manifest.files {
            let invalid = || BackupError::Manifest(from.to_owned(), format!("it lists {:?}", copy.name));
            let part = Part::named(&copy.name).ok_or_else(invalid)?;
            if part == Part::State && older == OlderState::Keep {
                continue;
            }
            let to = part.path(settings).ok_or(BackupError::NoPlace(part.name(), part.no_place()))?;
            files.push(Planned { part, copy: copy.clone(), from: from.join(part.name()), to });
        }
        if files.is_empty() {
            return Err(BackupError::NothingLeft);
        }
        let lock = free(settings)?;
        let has_state = files.iter().any(|file| file.part == Part::State);
        let witnessed = settings.data_dir.clone().filter(|_| has_state && !is_shared);
        if let Some(directory) = witnessed.as_ref().filter(|_| older == OlderState::Refuse) {
            compare(directory, manifest.state_version.unwrap_or_default()).await?;
        }
        Ok(Self { manifest, files, spill: Part::Spill.path(settings), witnessed, _lock: lock })
    }

    /// Returns the paths that will be written.
    pub fn targets(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.to.as_path())
    }

    /// Compares the files of the backup with its manifest.
    ///
    /// # Errors
    /// [`BackupError::Changed`], or that a file cannot be read.
    pub fn check(&self) -> Result<(), BackupError> {
        for Planned { copy, from, .. } in &self.files {
            let found = Copy::of(&copy.name, from).map_err(BackupError::file(from, "read"))?;
            if found != *copy {
                return Err(BackupError::Changed(from.clone()));
            }
        }
        Ok(())
    }

    /// Copies and checks all files, then puts them in place.
    ///
    /// # Errors
    /// [`BackupError`]. If a copy is bad nothing has changed.
    pub async fn apply(self) -> Result<Restored, BackupError> {
        let staged: Vec<_> = self.files.iter().map(|file| beside(&file.to, ".restoring")).collect();
        let mut prepared = Ok(());
        for (file, staged) in self.files.iter().zip(&staged) {
            prepared = prepare(file, staged).await;
            if prepared.is_err() {
                break;
            }
        }
        if let Err(error) = prepared {
            for staged in &staged {
                // It may not exist yet.
                let _left = std::fs::remove_file(staged);
            }
            return Err(error);
        }
        let mut done = Restored::default();
        let name = format!("replaced-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
        let mut aside = Aside { name, kept: Vec::new() };
        for (file, staged) in self.files.iter().zip(&staged) {
            exchange(&file.to, staged, &mut aside).await?;
            done.files.push(file.to.clone());
        }
        let has = |part| self.files.iter().any(|file| file.part == part);
        // The spill file here has rows for the ledger that is replaced.
        if let Some(spill) = self.spill.as_deref().filter(|_| has(Part::Ledger) && !has(Part::Spill)) {
            for path in [spill.to_owned(), beside(spill, "-wal"), beside(spill, "-shm")] {
                aside.take(&path)?;
            }
        }
        if let Some(directory) = &self.witnessed {
            aside.copy(&state::version_file(directory))?;
            let version = self.manifest.state_version.unwrap_or_default();
            state::set_version(directory, version).map_err(BackupError::file(directory, "write state.version into"))?;
            sync(directory)?;
        }
        done.kept = aside.kept;
        Ok(done)
    }
}

/// Checks that no process uses the directories, and locks the data directory.
fn free(settings: &Settings) -> Result<Option<DirectoryLock>, BackupError> {
    let lock = match &settings.data_dir {
        None => None,
        Some(directory) => {
            let lock = DirectoryLock::try_take(directory).map_err(BackupError::file(directory, "use"))?;
            Some(lock.ok_or_else(|| BackupError::Running(directory.clone()))?)
        }
    };
    if let Some(directory) = ledger::spill_file(settings).as_deref().and_then(Path::parent) {
        ledger::make_directory(directory).map_err(BackupError::file(directory, "create"))?;
        if ledger::is_in_use(directory).map_err(BackupError::file(directory, "read"))? {
            return Err(BackupError::Running(directory.to_owned()));
        }
    }
    Ok(lock)
}

/// Compares the version in a backup with the latest one that was written in the data directory.
async fn compare(directory: &Path, found: i64) -> Result<(), BackupError> {
    let present = state::file(directory);
    // A damaged file has no version. `state.version` has it.
    let present = if present.exists() { inspect::version(&present).await.unwrap_or_default() } else { 0 };
    let witness = state::version_file(directory);
    let latest = state::latest_version(directory).map_err(BackupError::file(&witness, "read"))?;
    let latest = latest.unwrap_or_default().max(present);
    if found < latest { Err(BackupError::OlderState { found, latest }) } else { Ok(()) }
}

/// Copies a file beside its place and checks it there.
async fn prepare(file: &Planned, staged: &Path) -> Result<(), BackupError> {
    if let Some(directory) = file.to.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        ledger::make_directory(directory).map_err(BackupError::file(directory, "create"))?;
    }
    let copied = || {
        let _left_by_an_earlier_attempt = std::fs::remove_file(staged);
        let mut to = File::options().write(true).create_new(true).mode(0o600).open(staged)?;
        let copied = transfer(&mut File::open(&file.from)?, &mut to)?;
        to.sync_all()?;
        Ok(copied)
    };
    let (bytes, sha256) = copied().map_err(BackupError::file(&file.from, "copy"))?;
    if (bytes, &sha256) != (file.copy.bytes, &file.copy.sha256) {
        return Err(BackupError::Changed(file.from.clone()));
    }
    inspect::check(file.part, staged).await
}

/// Puts a prepared file in place of another one, whose log is written back first: SQLite would apply an old log to the
/// new file.
async fn exchange(to: &Path, staged: &Path, aside: &mut Aside) -> Result<(), BackupError> {
    if to.exists()
        && let Ok(mut old) = Target::Sqlite(to.to_owned()).connect(Purpose::Write).await
    {
        // A damaged database keeps its log, which is set aside with it.
        let _damaged = old.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let _damaged = old.close().await;
    }
    for ending in ["-wal", "-shm"] {
        aside.take(&beside(to, ending))?;
    }
    aside.keep(to)?;
    std::fs::rename(staged, to).map_err(BackupError::file(to, "replace"))?;
    sync(to.parent().unwrap_or(to))
}

fn sync(directory: &Path) -> Result<(), BackupError> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory).and_then(|open| open.sync_all()).map_err(BackupError::file(directory, "sync"))
}

/// The files that were replaced, in a new directory beside each of them.
struct Aside {
    name: String,
    kept: Vec<PathBuf>,
}

impl Aside {
    /// Returns the new path of a file.
    fn place(&mut self, path: &Path) -> io::Result<PathBuf> {
        let known = self.kept.iter().find(|directory| directory.parent() == path.parent()).cloned();
        let directory = match known {
            Some(directory) => directory,
            None => self.create(path)?,
        };
        Ok(directory.join(path.file_name().unwrap_or_default()))
    }

    /// Creates a directory beside a file. Another restoration may have taken the name in the same second.
    fn create(&mut self, beside: &Path) -> io::Result<PathBuf> {
        let mut directory = beside.with_file_name(&self.name);
        for number in 2..MOST_PER_SECOND {
            match DirBuilder::new().mode(0o700).create(&directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    directory = beside.with_file_name(format!("{}-{number}", self.name));
                }
                created => {
                    created?;
                    self.kept.push(directory.clone());
                    return Ok(directory);
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Moves a file, if it exists.
    fn take(&mut self, path: &Path) -> Result<(), BackupError> {
        self.with(path, |from, to| std::fs::rename(from, to))
    }

    /// Keeps a file that will be replaced, if it exists. It stays in its place too, unless the file system has no links.
    fn keep(&mut self, path: &Path) -> Result<(), BackupError> {
        self.with(path, |from, to| std::fs::hard_link(from, to).or_else(|_| std::fs::rename(from, to)))
    }

    /// Copies a small file, if it exists.
    fn copy(&mut self, path: &Path) -> Result<(), BackupError> {
        self.with(path, |from, to| std::fs::copy(from, to).map(drop))
    }

    fn with(&mut self, path: &Path, act: impl FnOnce(&Path, &Path) -> io::Result<()>) -> Result<(), BackupError> {
        if !path.exists() {
            return Ok(());
        }
        let kept = self.place(path).and_then(|to| act(path, &to));
        kept.map_err(BackupError::file(path, "set aside"))
    }
}
