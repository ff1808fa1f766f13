//! Walks through the directory of archives.
//!
//! It must not follow symbolic links, and skips names that `path.rs` does not create
//! (test: `a_sweep_removes_only_old_archives_and_empty_folders`).

use std::fs::FileType;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::path;

/// The file of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file's path.
    pub path: PathBuf,
    /// The parts of user, chat and message.
    pub parts: [String; 3],
}

/// Receives the archives and folders of a walk. An error ends the walk.
pub(super) trait Visitor {
    /// Receives an archive.
    fn file(&mut self, found: Found) -> io::Result<()>;

    /// Receives a folder after its contents.
    fn folder(&mut self, _path: &Path) {}

    /// Returns true to enter a folder. `depth` is 0 for a user's folder and 1 for a chat's.
    fn enters(&mut self, _name: &str, _depth: usize) -> bool {
        true
    }
}

/// Selects the callers whose archives are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose<'a> {
    /// All callers.
    All,
    /// The callers of this tenant, or those without a tenant.
    Tenant(Option<&'a str>),
}

/// Visits the selected archives below `directory` in order of name.
pub(super) fn walk(directory: &Path, whose: Whose<'_>, visitor: &mut impl Visitor) -> io::Result<()> {
    let mine = |name: &str| match whose {
        Whose::All | Whose::Tenant(None) => false,
        Whose::Tenant(Some(tenant)) => {
            [path::Case::Kept, path::Case::Ignored].iter().any(|case| path::tenant(tenant, *case) == name)
        }
    };
    for (name, kind) in entries(directory)? {
        if !kind.is_dir() {
            continue;
        }
        let path = directory.join(&name);
        if path::is_tenant(&name) {
            if whose == Whose::All || mine(&name) {
                users(&path, visitor)?;
                visitor.folder(&path);
            }
        } else if path::is_user(&name) && matches!(whose, Whose::All | Whose::Tenant(None)) {
            user(&path, &name, visitor)?;
        }
    }
    Ok(())
}

/// Visits the users of a tenant.
fn users(tenant: &Path, visitor: &mut impl Visitor) -> io::Result<()> {
    for (name, kind) in entries(tenant)? {
        if kind.is_dir() && path::is_user(&name) {
            user(&tenant.join(&name), &name, visitor)?;
        }
    }
    Ok(())
}

/// Visits the chats of a user.
fn user(path: &Path, user: &str, visitor: &mut impl Visitor) -> io::Result<()> {
    if !visitor.enters(user, 0) {
        return Ok(());
    }
    for (chat, kind) in entries(path)? {
        if !kind.is_dir() || !path::is_part(&chat) || !visitor.enters(&chat, 1) {
            continue;
        }
        let folder = path.join(&chat);
        for (name, kind) in entries(&folder)? {
            if let Some(message) = path::message_of(&name).filter(|_| kind.is_file()) {
                let parts = [user.to_owned(), chat.clone(), message.to_owned()];
                visitor.file(Found { path: folder.join(&name), parts })?;
            }
        }
        visitor.folder(&folder);
    }
    visitor.folder(path);
    Ok(())
}

/// Returns the names and file types in a folder, in order of name. The type of a symbolic link is that of the link. A
/// folder that does not exist any more counts as empty.
fn entries(folder: &Path) -> io::Result<Vec<(String, FileType)>> {
    let mut entries = Vec::new();
    for entry in WalkDir::new(folder).min_depth(1).max_depth(1).sort_by_file_name() {
        match entry {
            // The archive only creates UTF-8 names, so other names are skipped.
            Ok(entry) => entries.extend(entry.file_name().to_str().map(|name| (name.to_owned(), entry.file_type()))),
            Err(error) if error.io_error().is_some_and(|error| error.kind() == ErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(entries)
}
