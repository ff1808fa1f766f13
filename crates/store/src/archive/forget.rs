//! Removes a user's archives.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::ArchiveError;
use super::reader::of_person;
use super::retention::prune;
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
    let found = of_person(directory, password, tenant, user)?;
    let mut removed = 0;
    for path in &found.paths {
        match fs::remove_file(path) {
            Ok(()) => removed += 1,
            // A sweep removed the file meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        // The folders of chat, user and tenant, as far as they are empty.
        path.ancestors().skip(1).take(3).filter(|folder| *folder != directory).for_each(prune);
    }
    Ok(Forgotten { removed, unreadable: found.unreadable })
}
