//! Makes a backup while servers run.
//!
//! `VACUUM INTO` copies a database as it is at one moment, in one read transaction: writers go on, and their log grows
//! until the copy is complete. The copy has no free pages, so nothing that was deleted.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::error::BackupError;
use super::files::Part;
use super::inspect;
use super::manifest::{Copy, Manifest};
use crate::ledger::settings::Settings;

/// Time between two reports of progress.
const REPORT: Duration = Duration::from_millis(500);

/// The progress of one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The database.
    pub part: Part,
    /// Bytes that are written.
    pub bytes: u64,
    /// Size of the database, at most which the copy has.
    pub of: u64,
}

/// Copies the SQLite files of a configuration into a new directory, and calls `report` meanwhile. Nothing stays of a
/// backup that fails.
///
/// # Errors
/// [`BackupError`].
pub async fn write(
    settings: &Settings,
    output: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let parts = Part::ALL.into_iter().filter_map(|part| Some((part, part.path(settings)?)));
    let parts: Vec<_> = parts.filter(|(_, path)| path.exists()).collect();
    if parts.is_empty() {
        return Err(BackupError::Nothing);
    }
    // Fails if the path exists, also as a symbolic link.
    DirBuilder::new().mode(0o700).create(output).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(output.to_owned()),
        _ => BackupError::File { path: output.to_owned(), what: "create the directory", error },
    })?;
    let written = write_all(&parts, output, report).await;
    if written.is_err() {
        // Everything in it is of this backup, because the directory is new.
        let _left = std::fs::remove_dir_all(output);
    }
    written
}

async fn write_all(
    parts: &[(Part, std::path::PathBuf)],
    output: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let (mut files, mut version) = (Vec::new(), None);
    for (part, from) in parts {
        let to = output.join(part.name());
        copy(*part, from, &to, report).await?;
        inspect::check(*part, &to).await?;
        if *part == Part::State {
            version = Some(inspect::version(&to).await?);
        }
        files.push(Copy::of(part.name(), &to).map_err(BackupError::file(&to, "read"))?);
    }
    let manifest = Manifest::new(files, version);
    manifest.write(output)?;
    let above = output.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(above).and_then(|above| above.sync_all()).map_err(BackupError::file(above, "sync"))?;
    Ok(manifest)
}

/// Copies one database, and syncs the copy, which SQLite does not do.
async fn copy(part: Part, from: &Path, to: &Path, report: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
    let mut source = inspect::open(from).await?;
    let pages = inspect::number(&mut source, from, "PRAGMA page_count").await?;
    let page = inspect::number(&mut source, from, "PRAGMA page_size").await?;
    let of = u64::try_from(pages.saturating_mul(page)).unwrap_or_default();
    // SQLite accepts an empty file, and keeps its mode.
    let file = File::options().write(true).create_new(true).mode(0o600).open(to);
    let file = file.map_err(BackupError::file(to, "create"))?;
    let mut arguments = source.arguments();
    let name = to.to_str().ok_or_else(|| BackupError::Database {
        path: to.to_owned(),
        reason: "SQLite needs a path in UTF-8".to_owned(),
    })?;
    arguments.text(Some(name)).map_err(BackupError::database(to))?;
    {
        let copying = source.execute("VACUUM INTO $1", arguments);
        let mut copying = std::pin::pin!(copying);
        let mut ticks = tokio::time::interval(REPORT);
        ticks.tick().await;
        loop {
            tokio::select! {
                copied = &mut copying => break copied.map(drop),
                _ = ticks.tick() => {
                    let bytes = std::fs::metadata(to).map_or(0, |metadata| metadata.len());
                    report(Progress { part, bytes, of });
                }
            }
        }
    }
    .map_err(BackupError::database(from))?;
    file.sync_all().map_err(BackupError::file(to, "sync"))?;
    source.close().await.map_err(BackupError::database(from))
}
