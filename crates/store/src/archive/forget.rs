//! Removes a user's archives.
//!
//! It decrypts each archive's `meta.json` to find its user. Folder names are not enough: a format may render several
//! users alike, and may have changed since the archive was written.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::ArchiveError;
use super::reader::Opened;
use super::retention::prune;
use super::walk::{Found, Visitor, Whose, walk};
use crate::archive::settings::Place;
use callsign_core::secret::Secret;

/// The result of forgetting a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Archives that were removed.
    pub removed: u64,
    /// Archives that cannot be decrypted or are damaged. Their user is unknown, so they are not removed.
    pub unreadable: u64,
}

struct Forget<'a> {
    password: &'a Secret,
    tenant: Option<&'a str>,
    user: &'a str,
    forgotten: Forgotten,
}

impl Visitor for Forget<'_> {
    fn file(&mut self, found: Found) -> io::Result<()> {
        let meta = match Opened::open(&found.path, self.password) {
            Ok(opened) => opened.meta,
            // A sweep removed the file meanwhile.
            Err(ArchiveError::Read(error)) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(_) => {
                self.forgotten.unreadable += 1;
                return Ok(());
            }
        };
        if meta.ids.user.as_deref() == Some(self.user) && meta.tenant.as_deref() == self.tenant {
            fs::remove_file(&found.path)?;
            self.forgotten.removed += 1;
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) {
        if self.forgotten.removed > 0 {
            prune(path);
        }
    }
}

/// Runs [`forget`] on a thread for blocking work.
///
/// # Errors
/// The errors of [`forget`].
pub async fn forget_person(place: &Place, tenant: Option<&str>, user: &str) -> Result<Forgotten, ArchiveError> {
    let (place, tenant, user) = (place.clone(), tenant.map(str::to_owned), user.to_owned());
    let work = move || forget(&place.directory, &place.password, tenant.as_deref(), &user);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ArchiveError::Thread(io::Error::other(error)))?
}

/// Removes the archives of a user of this tenant (`None`: of no tenant). `user` is the id as the caller states it,
/// before formatting. Requests that are still running are archived afterwards.
///
/// # Errors
/// An I/O error if the directory cannot be read or an archive cannot be removed.
pub fn forget(
    directory: &Path,
    password: &Secret,
    tenant: Option<&str>,
    user: &str,
) -> Result<Forgotten, ArchiveError> {
    let mut forget = Forget { password, tenant, user, forgotten: Forgotten::default() };
    walk(directory, Whose::Tenant(tenant), &mut forget)?;
    Ok(forget.forgotten)
}
