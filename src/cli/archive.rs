//! `callsign archive list|show|verify`: reads the encrypted archive.
//!
//! It needs only the directory and the password, so it works while other settings are invalid. Archived content comes
//! from callers and models, so its control characters are escaped on a terminal.

mod list;
mod show;
mod verify;

use std::io::{self, Write};

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use super::{Exit, load};
use crate::config::{ConfigInputs, load_place};
use callsign_store::ledger;

/// Subcommands of `archive`.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// List archived requests in order of their paths, one per line: start time, status, outcome, model, path.
    ///
    /// Exit codes: 0 found, 1 nothing found, 2 configuration invalid.
    #[command(
        after_help = "Examples:\n  callsign archive list --since 24h\n  callsign archive list --user alice --tenant acme"
    )]
    List {
        /// Only requests of this user: the user id, or the identifier as sent.
        #[arg(long, value_name = "U")]
        user: Option<String>,
        /// Only requests of this chat: the chat id, or the identifier as sent.
        #[arg(long, value_name = "C")]
        chat: Option<String>,
        /// Only requests of this tenant; "" for callers without a tenant. By default all.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// Only requests that ended in this period (24h, 7d) or since this date or RFC 3339 time. By default all.
        #[arg(long, value_name = "WHEN", value_parser = |text: &str| ledger::since(text, Timestamp::now()))]
        since: Option<Timestamp>,
    },
    /// Decrypt archived requests to the standard output, oldest first.
    ///
    /// Exit codes: 0 shown, 1 nothing found or not readable, 2 configuration invalid.
    #[command(after_help = "Examples:\n  callsign archive show gen-1764041931-x7\n  \
        callsign archive show alice/chat-1/msg-1.zip --part response > response.sse")]
    Show {
        /// A message, chat, user or generation id, internal or as sent, or a path printed by `list`.
        #[arg(value_name = "ID")]
        id: String,
        /// Only requests of this tenant; "" for callers without a tenant. Required if the id exists in several tenants.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// Print only this part, byte for byte. By default all parts with headings.
        #[arg(long, value_name = "PART")]
        part: Option<Part>,
    },
    /// Verify every archived request: it decrypts, is authentic, and contains what its meta.json lists.
    ///
    /// Exit codes: 0 all are intact, 1 some are not (each is named), 2 configuration invalid.
    Verify,
}

/// One part of an archived request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// meta.json: times, ids, outcome, usage
    Meta,
    /// headers.json: headers received, sent and relayed
    Headers,
    /// The request body as sent upstream
    Request,
    /// The response bytes as relayed
    Response,
}

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
        let path = shown(&place.directory.display().to_string());
        writeln!(err, "callsign: CALLSIGN_ARCHIVE_DIR is not a directory: {path}")?;
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

/// Returns true if an archive's tenant matches `--tenant`. The empty name stands for no tenant.
fn is_of(tenant: Option<&str>, asked: Option<&str>) -> bool {
    asked.is_none_or(|asked| tenant.unwrap_or_default() == asked)
}

/// Returns text with its control characters escaped, except line breaks and tabs.
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
