//! What can be said on the command line. The doc comments are what `--help` prints.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand};

use super::archive::ArchiveCommand;
use crate::endpoint::Inference;
use crate::ledger::query::By;

/// An OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign.
///
/// Point an app's base URL at callsign. Every request is authenticated, stripped of client-supplied identifiers, given the
/// identifiers that the operator's valves allow, and its response relayed byte for byte.
#[derive(Debug, Parser)]
#[command(name = "callsign", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Args {
    /// The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy.
    ///
    /// Exit codes: 0 ended by a signal, 1 could not start, 2 configuration invalid (every problem is printed).
    Serve {
        /// Run without an OpenRouter account: answers come from a stand-in that shows what it received.
        #[arg(long)]
        demo: bool,
    },
    /// Validate the configuration and prove it: push requests full of spoofed identifiers through the real pipeline.
    ///
    /// Starts callsign with this configuration on a port of its own, in front of a stand-in instead of OpenRouter, and
    /// compares what arrived there with what the valves and formats say. Nothing leaves this machine.
    ///
    /// With --live it also sends one tiny request to OpenRouter, waits for its generation record, and verifies that the
    /// identifiers were recorded there and that the ledger has the row.
    ///
    /// Exit codes: 0 passed, 1 something failed, 2 configuration invalid (every problem is printed).
    Check {
        /// Send one tiny real request, which costs a fraction of a cent, and verify what OpenRouter recorded.
        #[arg(long)]
        live: bool,
        /// The model that --live asks.
        #[arg(long, value_name = "MODEL", default_value = "openai/gpt-4o-mini", requires = "live")]
        model: String,
        /// Print one JSON document: passed, warnings, valves, formats, checks, received.
        #[arg(long)]
        json: bool,
    },
    /// Show what becomes of a request, read from the standard input: what is removed and why, what is written and by
    /// which valve.
    #[command(after_help = "Examples:\n  \
        callsign explain < request.json\n  \
        echo '{\"model\":\"m\",\"user\":\"mallory\"}' | SEND_END_USER_ID=true callsign explain --as alice")]
    Explain {
        /// The user id of the caller.
        ///
        /// Without any id on the command line a sample caller is shown, who has all of them.
        #[arg(long = "as", value_name = "USER")]
        user: Option<String>,
        /// The rest of the request.
        #[command(flatten)]
        request: Request,
    },
    /// Print, as JSON, exactly the identifier fields that would be sent for a caller.
    #[command(after_help = "Example:\n  \
        SEND_END_USER_ID=true USER_ID_FORMAT='acme_{sha256:16 user}' callsign id --user alice --endpoint responses")]
    Id {
        /// The user id.
        #[arg(long, value_name = "U")]
        user: Option<String>,
        /// The rest of the request.
        #[command(flatten)]
        request: Request,
    },
    /// Show spend and tokens from the ledger.
    #[command(after_help = "Examples:\n  callsign usage --since 24h\n  \
        callsign usage --by model --since 2026-01-01 --format csv > january.csv")]
    Usage(Usage),
    /// Tell which caller stands behind an identifier that OpenRouter or a provider reports.
    ///
    /// Takes an identifier as it was sent, a session, chat, message or generation id, or (with `OPENROUTER_ORG_ID` set) the
    /// form sha256(ORG_ID-user). Without a ledger the formats alone are asked: a seal is opened with `CALLSIGN_ID_SECRET`, raw
    /// and prefixed identifiers are read back, hashes are tried against --candidates.
    ///
    /// Exit codes: 0 found, 1 nobody found.
    #[command(after_help = "Examples:\n  callsign whois acme_31b11580\n  \
        callsign whois gen-1760000000-AbC --format json\n  \
        psql -Atc 'select id from users' > users.txt; callsign whois acme_31b11580 --candidates users.txt")]
    Whois(Whois),
    /// Fill in costs that never arrived (cancelled or cut streams) from OpenRouter's generation records.
    ///
    /// Asks five times a second. Each answer is written at once: break it off whenever you like, and start it again.
    Reconcile(Reconcile),
    /// Erase a person from the ledger: names, identifiers, sessions, chats, messages. The sums stay, under no name.
    #[command(after_help = "Example:\n  callsign forget alice")]
    Forget(Forget),
    /// Print the effective configuration with the source of each value; secrets are shown as ***.
    Config,
    /// Make keys for callers, or list those that are configured.
    Key {
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Read the encrypted archive: list, decrypt, verify.
    ///
    /// Needs `CALLSIGN_ARCHIVE_DIR` and `CALLSIGN_ARCHIVE_PASSWORD` (or `CALLSIGN_ARCHIVE_PASSWORD_FILE`) and nothing else of the
    /// configuration.
    Archive {
        /// What to do.
        #[command(subcommand)]
        command: ArchiveCommand,
    },
    /// Stop one person, by user id or by the identifier as sent upstream, within one second on every callsign.
    ///
    /// Works where the server keeps its list: in `CALLSIGN_LIMIT_STORE`, else in `CALLSIGN_DATA_DIR`. With a ledger the id is
    /// resolved to the user whom it stands for; without one it is matched as user id and as identifier.
    ///
    /// Exit codes: 0 done, 1 not done (and why), 2 configuration invalid.
    #[command(after_help = "Examples:\n  \
        callsign block mallory --for 24h --reason 'abuse report 17' --cut\n  \
        callsign block --list")]
    Block(Block),
    /// Let somebody in again.
    Unblock(Unblock),
    /// Show what is used up of limits.
    Limits {
        /// What to do.
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Exit 0 if the local server is ready, 1 (and one line why) otherwise.
    ///
    /// Asks /readyz on the admin port of this configuration; with `CALLSIGN_ADMIN_LISTEN=off`, any HTTP answer of the data
    /// port will do. Takes at most 3 seconds. For images without a shell.
    Healthcheck,
}

/// Whom to stop, and how.
#[derive(Debug, clap::Args)]
pub struct Block {
    /// The user's id, or the identifier as sent upstream.
    #[arg(value_name = "ID", required_unless_present = "list")]
    pub id: Option<String>,
    /// For how long: 45s, 30m, 24h, 7d. For good without.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// Why; for the list and the dashboard.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// End their running answers too.
    #[arg(long)]
    pub cut: bool,
    /// The tenant that the user lives in; "" for the users of none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// List who is blocked.
    #[arg(long, conflicts_with_all = ["id", "time", "reason", "cut", "tenant"])]
    pub list: bool,
}

/// Whom to let in again.
#[derive(Debug, clap::Args)]
pub struct Unblock {
    /// What was blocked: the user's id, or the identifier.
    #[arg(value_name = "ID")]
    pub id: String,
    /// The tenant that the user lives in; "" for the users of none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
}

/// What can be done with limits.
#[derive(Debug, Subcommand)]
pub enum LimitsCommand {
    /// What a user has used up, and when it comes back. Limits of a key are not among it: they are the key's requests'.
    Show {
        /// The user's id.
        #[arg(value_name = "USER")]
        user: String,
        /// The tenant that the user lives in; none without.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
    },
}

/// A number and a unit.
fn time(text: &str) -> Result<Duration, &'static str> {
    let unit = text.chars().next_back();
    let seconds = match unit {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number =
        text.get(..text.len().saturating_sub(1)).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse::<u64>().ok()).filter(|number| *number > 0 && seconds > 0);
    let time = number.and_then(|number| number.checked_mul(seconds)).filter(|time| *time <= 3_155_760_000);
    time.map(Duration::from_secs).ok_or("write a number and s, m, h or d, as 24h; at most a hundred years")
}

/// What `explain` and `id` want to know besides the user.
#[derive(Debug, clap::Args)]
pub struct Request {
    /// The tenant whose user it is; the operator's own without.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// The session id.
    #[arg(long, value_name = "S")]
    pub session: Option<String>,
    /// The chat (conversation) id.
    #[arg(long, value_name = "C")]
    pub chat: Option<String>,
    /// The message id.
    #[arg(long, value_name = "M")]
    pub message: Option<String>,
    /// The endpoint: chat, responses, messages, embeddings, rerank, … or a path as chat/completions.
    #[arg(long, value_name = "E", default_value = "chat", value_parser = Inference::named)]
    pub endpoint: &'static Inference,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For spreadsheets (RFC 4180).
    Csv,
    /// For programs.
    Json,
}

/// Which sums are asked for.
#[derive(Debug, clap::Args)]
pub struct Usage {
    /// What they are summed by.
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// Only since then: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time; cut to the full hour. From the beginning without.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only this tenant's; '' for the callers of none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Whom is asked for.
#[derive(Debug, clap::Args)]
pub struct Whois {
    /// The identifier, to the letter.
    pub id: String,
    /// Only callers of this tenant; '' for those of none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// How they are printed.
    #[arg(long, value_parser = ["table", "json"], default_value = "table")]
    pub format: String,
    /// A file of users to try a hash against: an id on each line, behind a tab perhaps a session, chat or message id.
    #[arg(long, value_name = "FILE")]
    pub candidates: Option<PathBuf>,
}

/// Which costs are asked for.
#[derive(Debug, clap::Args)]
pub struct Reconcile {
    /// Only of requests since then: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. From the beginning without.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only of this tenant's; '' for the callers of none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
}

/// Who is to be forgotten.
#[derive(Debug, clap::Args)]
pub struct Forget {
    /// The internal user id.
    pub user: String,
    /// The tenant whose user it is ('' for none); needed where the id exists in several.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Print a new key, once, and how to let it in.
    ///
    /// A key for a user is that person's own: every request that carries it is theirs. A key for an app lets the app say
    /// who its user is, in the headers of a preset.
    #[command(
        after_help = "Examples:\n  callsign key new --user alice\n  callsign key new --app chat --preset openwebui"
    )]
    New(Holder),
    /// List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here.
    List,
}

/// Who will hold a new key: exactly one of a person and an app.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("holder").required(true))]
pub struct Holder {
    /// The id of the person who will hold the key.
    #[arg(long, value_name = "ID", group = "holder")]
    pub user: Option<String>,
    /// A name for the app that will hold the key.
    #[arg(long, value_name = "NAME", group = "holder")]
    pub app: Option<String>,
    /// Which headers the app names its users in: generic (X-User-Id, …), openwebui, librechat, oauth2-proxy, authentik,
    /// or one of `[presets]` in the configuration file.
    #[arg(long, value_name = "P", conflicts_with = "user")]
    pub preset: Option<String>,
}
