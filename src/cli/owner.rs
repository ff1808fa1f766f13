//! Commands of root act as the owner of the data directory (docs/SPEC.md#common-options). Otherwise a file that root
//! creates there, such as a new `state.db`, could not be used by the server.

use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::args::{Args, Command};
use super::load;
use crate::config::Config;

/// Becomes the owner of the configured data directory, if this process is root's and the command is not `serve`. Call it
/// before the process has a second thread, because Linux keeps identities per thread.
///
/// The right to pass closed directories stays, because systemd keeps the directory of a unit with `DynamicUser` below
/// one that only root may enter. Files that are created belong to the owner.
///
/// # Errors
/// An error of the system if the identity cannot be changed.
pub(super) fn act_as_owner(args: &Args) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() || matches!(args.command, Command::Serve { .. }) {
        return Ok(());
    }
    // The command itself reports an invalid configuration.
    let Ok(loaded) = Config::load(&load::sources(args.config.clone())) else { return Ok(()) };
    let Some(metadata) = loaded.config.ledger.data_dir.as_ref().and_then(|path| std::fs::metadata(path).ok()) else {
        return Ok(());
    };
    let (user, group) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    if user.is_root() {
        return Ok(());
    }
    rustix::thread::set_thread_groups(&[group])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    // The real user stays root, so that the capability below can be kept.
    rustix::thread::set_thread_res_uid(None, user, user)?;
    let mut sets = capabilities(None)?;
    sets.effective = sets.permitted & CapabilitySet::DAC_OVERRIDE;
    set_capabilities(None, sets)?;
    Ok(())
}
