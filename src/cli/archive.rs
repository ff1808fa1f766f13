//! `callsign archive list|show|verify`: reads the encrypted archive.
//!
//! It needs only the directory and the password, so it works while other settings are invalid. Archived content comes
//! from callers and models, so its control characters are escaped on a terminal.

mod list;
mod show;
mod verify;

use std::io::{self, Write};

use super::args::ArchiveCommand;
use super::{Exit, load};
use crate::config::{ConfigInputs, load_place};

/// Runs a subcommand. `is_terminal` is true if `out` is a terminal.
///
/// # Errors
/// I/O errors of `out`, `err` and the archive's directory.
pub(super) fn run(
    sources: &ConfigInputs,
    command: &ArchiveCommand,
    is_terminal: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let place = match load_place(sources) {
        Ok(place) => place,
        Err(problems) => {
            load::print_problems(&problems, err)?;
            return Ok(Exit::Invalid);
        }
    };
    if !place.directory.is_dir() {
        let path = callsign_core::visible::printable(&place.directory.display().to_string());
        writeln!(
            err,
            "callsign: CALLSIGN_ARCHIVE_DIR is not a directory: {path}; set the directory into which \
        callsign writes"
        )?;
        return Ok(Exit::Invalid);
    }
    match command {
        ArchiveCommand::List { user, chat, tenant, since, format } => {
            let asked =
                list::Asked { user: user.as_deref(), chat: chat.as_deref(), tenant: tenant.as_deref(), since: *since };
            list::list(&place, asked, format == "json", out, err)
        }
        ArchiveCommand::Show { id, tenant, part } => {
            show::show(&place, id, tenant.as_deref(), *part, is_terminal, out, err)
        }
        ArchiveCommand::Verify { format } => verify::verify(&place, format == "json", out, err),
    }
}
