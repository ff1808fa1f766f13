//! Removes a person's archives. Whose an archive is stands within it: folders are named by a format, which may write several
//! users alike and may have been another one when the archive was written.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::ArchiveError;
use super::reader::Opened;
use super::retention::prune;
use super::walk::{Found, Visitor, Whose, walk};
use crate::config;
use crate::secret::Secret;

/// What has become of a person's archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Archives that were removed.
    pub removed: u64,
    /// Archives that cannot be read (another password, damage): whose they are is not known, and they stay.
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
            // A sweep was quicker.
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

/// The same, beside a runtime's threads.
///
/// # Errors
/// As [`forget`].
pub async fn forget_person(place: &config::Place, tenant: Option<&str>, user: &str) -> Result<Forgotten, ArchiveError> {
    let (place, tenant, user) = (place.clone(), tenant.map(str::to_owned), user.to_owned());
    let work = move || forget(&place.directory, &place.password, tenant.as_deref(), &user);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ArchiveError::Thread(io::Error::other(error)))?
}

/// Removes the archives of a tenant's user (`None`: of no tenant), by the user's id as it is known inside. Requests that
/// have not ended yet are archived when they have.
///
/// # Errors
/// When the directory cannot be walked through, or an archive not be removed.
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
