//! Tells if the data directory can be used, before a command begins (docs/SPEC.md#data-directory). Changes nothing.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::config::Config;
use crate::run::StartError;

/// Checks the data directory if the operator set one. The directory may be missing if it can be created.
///
/// # Errors
/// [`StartError::Directory`] if it is not a directory, or this user may not write it.
pub(crate) fn check(config: &Config) -> Result<(), StartError> {
    match &config.ledger.data_dir {
        Some(path) if config.ledger.data_dir_set => {
            usable(path).map_err(|error| StartError::Directory { path: path.clone(), error })
        }
        _ => Ok(()),
    }
}

fn usable(directory: &Path) -> io::Result<()> {
    let mut place = directory;
    let mut needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    loop {
        match (std::fs::metadata(place), place.parent()) {
            (Ok(metadata), _) if metadata.is_dir() => return may(place, needed),
            (Ok(_), _) => return Err(io::ErrorKind::NotADirectory.into()),
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                place = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                needed = Access::WRITE_OK | Access::EXEC_OK;
            }
            (Err(error), _) => return Err(error),
        }
    }
}

/// Checks rights of the effective user. Old sandboxes answer other errors than a refusal; the use then tells.
fn may(directory: &Path, needed: Access) -> io::Result<()> {
    match accessat(CWD, directory, needed, AtFlags::EACCESS) {
        Err(refusal @ (Errno::ACCESS | Errno::ROFS)) => Err(refusal.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_is_usable_if_it_can_be_written_or_created() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, expected) in [
            (directory.path().to_owned(), None),
            (directory.path().join("deep/er"), None),
            ("a-relative-path".into(), None),
            (file.clone(), Some(io::ErrorKind::NotADirectory)),
            (file.join("below"), Some(io::ErrorKind::NotADirectory)),
        ] {
            assert_eq!(usable(&path).err().map(|error| error.kind()), expected, "{}", path.display());
        }
    }

    #[test]
    fn a_directory_that_others_own_is_not_usable() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
        let paths = [directory.path().to_owned(), directory.path().join("new")];
        // Root may write everywhere, so this thread becomes another user. Linux keeps identities per thread.
        let checked = std::thread::spawn(move || {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65_534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            paths.map(|path| usable(&path).map_err(|error| error.kind()))
        });
        assert_eq!(checked.join().unwrap(), [Err(io::ErrorKind::PermissionDenied); 2]);
    }
}
