//! `callsign archive list|show|verify`: reads the encrypted archive. Directory and password are all that it needs; whatever
//! else is wrong with the configuration keeps nobody from looking into an abuse report.
//!
//! What archives hold goes to the standard output, and to a terminal only with its control characters escaped: it came from
//! callers and models.

mod list;
mod show;
mod verify;

use std::io::{self, Write};

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use super::{Exit, load};
use crate::config::{Place, Sources};
use crate::ledger;

/// What can be done with the archive.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// List archives, one a line, in order of their paths: when the request began, status, how it ended, model, path.
    #[command(
        after_help = "Examples:\n  callsign archive list --since 24h\n  callsign archive list --user alice --tenant acme"
    )]
    List {
        /// Only this user's: the id as it is known inside, or as it was sent.
        #[arg(long, value_name = "U")]
        user: Option<String>,
        /// Only this chat's, likewise.
        #[arg(long, value_name = "C")]
        chat: Option<String>,
        /// Only this tenant's; an empty name for callers of none.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// Only requests that ended since then: 24h, 7d, a date or a time.
        #[arg(long, value_name = "WHEN", value_parser = |text: &str| ledger::since(text, Timestamp::now()))]
        since: Option<Timestamp>,
    },
    /// Decrypt archives to the standard output, oldest first.
    #[command(after_help = "Examples:\n  callsign archive show gen-1764041931-x7\n  \
        callsign archive show alice/chat-1/msg-1.zip --part response > response.sse")]
    Show {
        /// A message, chat, user or generation id, as it is known inside or as it was sent; or a path that `list` printed.
        #[arg(value_name = "ID")]
        id: String,
        /// Only this tenant's; an empty name for callers of none.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// Only this part, exactly as it was.
        #[arg(long, value_name = "PART")]
        part: Option<Part>,
    },
    /// Read every archive whole: it decrypts, is authentic, and holds what its meta.json names.
    ///
    /// Exit codes: 0 all are sound, 1 some are not (each is named).
    Verify,
}

/// One entry of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// meta.json
    Meta,
    /// headers.json
    Headers,
    /// The body as it went upstream.
    Request,
    /// The bytes as they were relayed.
    Response,
}

/// Runs a command. `is_terminal` says that `out` is read by a person's terminal.
///
/// # Errors
/// Those of `out`, `err` and the archive's directory.
pub(super) fn run(
    sources: &Sources,
    command: &ArchiveCommand,
    is_terminal: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let place = match Place::load(sources) {
        Ok(place) => place,
        Err(problems) => {
            load::print_problems(&problems, err)?;
            return Ok(Exit::Invalid);
        }
    };
    if !place.directory.is_dir() {
        writeln!(err, "callsign: there is no directory {}", shown(&place.directory.display().to_string()))?;
        return Ok(Exit::Failure);
    }
    match command {
        ArchiveCommand::List { user, chat, tenant, since } => {
            let asked =
                list::Asked { user: user.as_deref(), chat: chat.as_deref(), tenant: tenant.as_deref(), since: *since };
            list::list(&place, asked, out, err)
        }
        ArchiveCommand::Show { id, tenant, part } => {
            show::show(&place, id, tenant.as_deref(), *part, is_terminal, out, err)
        }
        ArchiveCommand::Verify => verify::verify(&place, out, err),
    }
}

/// Whether an archive's tenant is the one that is asked for; the empty name stands for none.
fn is_of(tenant: Option<&str>, asked: Option<&str>) -> bool {
    asked.is_none_or(|asked| tenant.unwrap_or_default() == asked)
}

/// Text that a terminal shows and does not obey, line breaks and tabs apart.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}
