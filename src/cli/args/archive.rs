//! The arguments of `callsign archive`.

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

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
        #[arg(long, value_name = "ID")]
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
        /// Output format. json is a list of meta.json objects with their paths.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
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
    Verify {
        /// Output format. json is one object with archives, intact and damaged.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
    },
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
