//! Goes through the directory of archives, without ever following a link or looking at what is not the archive's.

use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::path;

/// One archive's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// The folders below the archive's directory, and the part of its message: outermost first, without the tenant.
    pub parts: [String; 3],
}

/// What is done with everything that is found. An error ends the walk.
pub(super) trait Visitor {
    /// An archive.
    fn file(&mut self, found: Found) -> io::Result<()>;

    /// A folder of the archive's has been walked through.
    fn folder(&mut self, _path: &Path) {}

    /// Whether to look into a folder: `depth` 0 is the user's, 1 the chat's.
    fn enters(&mut self, _name: &str, _depth: usize) -> bool {
        true
    }
}

/// Which callers' archives are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose<'a> {
    /// Everybody's.
    All,
    /// Those of this tenant, or of none.
    Tenant(Option<&'a str>),
}

/// Walks through all archives below `directory`, in order of name.
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

/// The folders of a tenant's users.
fn users(tenant: &Path, visitor: &mut impl Visitor) -> io::Result<()> {
    for (name, kind) in entries(tenant)? {
        if kind.is_dir() && path::is_user(&name) {
            user(&tenant.join(&name), &name, visitor)?;
        }
    }
    Ok(())
}

/// The chats of a user.
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

/// Names and kinds of what is in a folder, in order; of a link its own kind, not that of what it leads to. A folder that has
/// gone meanwhile is empty.
fn entries(folder: &Path) -> io::Result<Vec<(String, FileType)>> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let mut entries = Vec::new();
    for entry in read {
        let entry = entry?;
        // No name of the archive's is not UTF-8.
        if let Ok(name) = entry.file_name().into_string() {
            match entry.file_type() {
                Ok(kind) => entries.push((name, kind)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}
