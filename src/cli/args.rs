//! The arguments of the command line. `--help`, the manual pages and the completions print these doc comments.

mod archive;
mod backup_args;
mod evidence_args;
mod key_args;
mod ledger_args;
mod parsers;
mod rejected_args;
mod result_format;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

pub use archive::{ArchiveCommand, Part};
pub use backup_args::{Backup, Restore, State};
use callsign_core::endpoint::Inference;
use callsign_store::limits::orders::limit;
pub use evidence_args::{Bundle, Case, Export, Forget};
pub use key_args::{CreateKey, ImportKeys, KeyCommand, KeyHolder};
pub use ledger_args::{Format, OneRequest, Requests, Selection, Usage};
use parsers::{instead_of_until, limit_value, time};
pub use rejected_args::{LedgerCommand, RepairArgs};
pub use result_format::ResultFormat;

/// An OpenAI-compatible reverse proxy for OpenRouter that attributes every request to its caller.
///
/// Set an app's base URL to callsign. callsign authenticates every request, removes client-supplied identifiers, writes
/// the identifiers that the operator's valves allow, and relays the response byte for byte.
///
/// Exit codes of all commands: 0 done, 1 failed or nothing found, 2 the command line, the configuration or the data
/// directory cannot be used.
#[derive(Debug, Parser)]
#[command(name = "callsign", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Args {
    /// TOML configuration file. Overrides CALLSIGN_CONFIG; environment variables override the file's settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy.
    ///
    /// SIGTERM and SIGINT end it after running responses (CALLSIGN_DRAIN_SECONDS), SIGHUP reloads the configuration.
    ///
    /// Exit codes: 0 ended by a signal, 1 could not start, 2 configuration invalid (every problem is printed) or a directory
    /// that cannot be used.
    #[command(after_help = "Examples:\n  \
        callsign serve --demo\n  \
        OPENROUTER_API_KEY=sk-or-… CALLSIGN_APP_KEY=sk-cs-… SEND_END_USER_ID=true callsign serve\n  \
        callsign serve --config callsign.toml\n\n\
        A valve (SEND_END_USER_ID, SEND_SESSION_ID, …) lets one identifier out; all are off by default.\n\
        A preset (CALLSIGN_PRESET=openwebui, …) is the list of headers in which an app names its users.\n\
        All settings: docs/configuration.md, or callsign config.")]
    Serve {
        /// Run without an OpenRouter account: a mock OpenRouter in this process answers, and the console has sample data.
        ///
        /// Takes valves, formats, ports and log settings from the environment. Ignores the configuration file and all
        /// other settings, and deletes its data at the end.
        #[arg(long)]
        demo: bool,
    },
    /// Validate the configuration and test it with requests that contain forged identifiers.
    ///
    /// Starts a second callsign with this configuration on a free port, in front of a mock OpenRouter, and compares
    /// what arrives there with the valves and formats. Nothing leaves this machine.
    ///
    /// With --live it also sends one small request to OpenRouter, waits for its generation record, and verifies that
    /// the identifiers are recorded there and that the ledger has the row.
    ///
    /// Exit codes: 0 passed, 1 something failed, 2 configuration invalid (every problem is printed) or a data directory that
    /// serve would refuse.
    #[command(after_help = "Examples:\n  \
        callsign check\n  \
        callsign check --config callsign.toml --format json\n  \
        callsign check --live --model openai/gpt-4o-mini\n\n\
        A valve (SEND_END_USER_ID, …) lets one identifier out; a format (USER_ID_FORMAT, …) says how it is written.\n\
        A preset (CALLSIGN_PRESET) is the list of headers in which an app names its users.")]
    Check {
        /// Also send one small request to OpenRouter (a fraction of a cent) and verify what OpenRouter records.
        #[arg(long)]
        live: bool,
        /// Model of the request that --live sends.
        #[arg(long, value_name = "MODEL", default_value = "openai/gpt-4o-mini", requires = "live")]
        model: String,
        /// Output format. json is one object with passed, warnings, valves, formats, checks and received.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
    },
    /// Show how a request body is rewritten: what is removed and why, what is written and by which setting.
    ///
    /// Reads the body from the standard input. Exit codes: 0 shown, 1 the request would be refused, 2 configuration
    /// invalid.
    #[command(after_help = "Examples:\n  \
        callsign explain < request.json\n  \
        echo '{\"model\":\"m\",\"user\":\"mallory\"}' | SEND_END_USER_ID=true callsign explain --user alice")]
    Explain {
        /// User id of the caller.
        ///
        /// Without any id on the command line a sample caller with all ids is used.
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// The other options of the request.
        #[command(flatten)]
        request: Request,
        /// Output format.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
    },
    /// Print the identifier fields that would be sent for a caller, as JSON.
    #[command(after_help = "Example:\n  \
        SEND_END_USER_ID=true USER_ID_FORMAT='acme_{sha256:16 user}' callsign id --user alice --endpoint responses")]
    Id {
        /// User id of the caller.
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// The other options of the request.
        #[command(flatten)]
        request: Request,
        /// Output format. There is only one.
        #[arg(long, value_parser = ["json"], default_value = "json")]
        format: String,
    },
    /// Print spend and tokens from the ledger.
    #[command(after_help = "Examples:\n  callsign usage --since 24h\n  \
        callsign usage --by model --since 2026-01-01 --format csv > january.csv")]
    Usage(Usage),
    /// List single requests of the ledger, newest first.
    ///
    /// Users, keys and errors have an index. Other filters search newest first and stop after 250 ms; the command then
    /// says how to continue.
    #[command(after_help = "Examples:\n  callsign requests --user alice --since 24h\n  \
        callsign requests --error user_blocked --format json")]
    Requests(Requests),
    /// Print one request by request id or generation id.
    ///
    /// Exit codes: 0 found, 1 not found, 2 configuration invalid.
    Request(OneRequest),
    /// Find the caller of an identifier that OpenRouter or a provider reports.
    ///
    /// Accepts an identifier as it was sent, a session, chat, message or generation id, or
    /// sha256(ORG_ID-user), for which OpenRouter is asked for the id unless `OPENROUTER_ORG_ID` is set.
    ///
    /// Without a ledger only the formats are used: sealed identifiers are decrypted with `CALLSIGN_ID_SECRET`, and hashes
    /// are compared with those of --candidates. A raw or prefixed identifier is read back as a note: nobody can tell if it
    /// was sent.
    ///
    /// Exit codes: 0 found, 1 not found or only guessed, 2 configuration invalid.
    #[command(after_help = "Examples:\n  callsign whois acme_31b11580\n  \
        callsign whois gen-1760000000-AbC --format json\n  \
        psql -Atc 'select id from users' > users.txt; callsign whois acme_31b11580 --candidates users.txt")]
    Whois(Whois),
    /// Fetch missing costs (of cancelled or broken streams) from OpenRouter's generation records.
    ///
    /// Sends five requests a second and writes each cost at once, so it can be interrupted and started again.
    ///
    /// Exit codes: 0 done, 1 some costs could not be fetched, 2 configuration invalid.
    Reconcile(Reconcile),
    /// Write an evidence bundle about an identifier that OpenRouter or a provider reports.
    ///
    /// The bundle is a zip file, encrypted with AES-256. It holds summary.txt for outside (the reported identifier,
    /// generation ids, times and models, no internal ids), requests.json, whois.json and, with --with-archives, the
    /// archived requests and responses. The identifier must stand for exactly one person.
    ///
    /// Exit codes: 0 written, 1 not exactly one person or failed, 2 configuration or command line invalid.
    #[command(after_help = "Examples:\n  callsign case acme_31b11580 --output case-17.zip\n  \
        callsign case gen-1760000000-AbC --output case-17.zip --with-archives --password-file password.txt")]
    Case(Case),
    /// Write everything that is stored about one person.
    ///
    /// Creates a directory with export.zip, encrypted with AES-256. It holds requests.json, usage.json,
    /// identifiers.json and, with --with-archives, the archived requests and responses.
    ///
    /// Exit codes: 0 written, 1 not exactly one person or failed, 2 configuration or command line invalid.
    #[command(after_help = "Example:\n  callsign export alice --output export-of-alice --with-archives")]
    Export(Export),
    /// Erase a user from the ledger and the archive.
    ///
    /// Removes the user's ids, identifiers, sessions, chats and messages from the ledger and deletes the user's
    /// archived requests. Sums of spend and tokens stay, without a name. Blocks and run-time limits stay in force. Asks before it
    /// erases.
    ///
    /// Exit codes: 0 erased, 1 not exactly one person or failed, 2 configuration or command line invalid.
    #[command(after_help = "Examples:\n  callsign forget alice --dry-run\n  callsign forget alice --yes")]
    Forget(Forget),
    /// List what operators did: blocks, limits, case, export and forget, latest first.
    ///
    /// Commands appear as cli:USER, the admin API as admin, and suspensions after refusals by providers as callsign.
    ///
    /// Exit codes: 0 listed (also if there is nothing), 1 failed, 2 command line or configuration invalid.
    #[command(after_help = "Examples:\n  callsign audit --since 7d\n  callsign audit --by cli:root --format csv")]
    Audit(Audit),
    /// Print every setting with its value and the source of the value; secrets are shown as ***.
    Config {
        /// Output format.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
    },
    /// Create, rotate, revoke and list keys for callers.
    Key {
        /// The subcommand to run.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Read the encrypted archive: list, decrypt, verify.
    ///
    /// Needs only `CALLSIGN_ARCHIVE_DIR` and `CALLSIGN_ARCHIVE_PASSWORD` (or `CALLSIGN_ARCHIVE_PASSWORD_FILE`); other
    /// settings may be invalid.
    Archive {
        /// The subcommand to run.
        #[command(subcommand)]
        command: ArchiveCommand,
    },
    /// Block a user, by user id or by the identifier as sent upstream.
    ///
    /// The block applies within one second on every callsign with this `CALLSIGN_LIMIT_STORE`, or with this
    /// `CALLSIGN_DATA_DIR` if there is no store. With a ledger the identifier is resolved to its user; without one it
    /// is compared with user ids and with identifiers.
    ///
    /// Exit codes: 0 done, 1 failed (the reason is printed), 2 configuration invalid.
    #[command(after_help = "Examples:\n  \
        callsign block mallory --for 24h --reason 'abuse report 17' --cut\n  \
        callsign block --list")]
    Block(Block),
    /// Remove a block.
    ///
    /// Exit codes: 0 done, 1 not blocked or failed, 2 configuration invalid.
    Unblock(Unblock),
    /// Show, set and reset the limits of a user while callsign runs.
    Limits {
        /// The subcommand to run.
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// List, repair and drop rows that the ledger's database refused because of a value.
    Ledger {
        /// The subcommand to run.
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Copy ledger.db, ledger-spill.db and state.db into a new directory while servers run.
    ///
    /// Each copy shows its database at one moment, has no deleted content, and is checked and synced to the disk. The
    /// directory has user ids and no prompts. It lacks PostgreSQL (use `pg_dump`), the archive, the configuration and
    /// `CALLSIGN_ID_SECRET`.
    ///
    /// Exit codes: 0 copied, 1 failed (nothing is left), 2 configuration invalid.
    #[command(after_help = "Example:\n  callsign backup --output /backup/callsign-$(date +%F)")]
    Backup(Backup),
    /// Put the files of a backup in place. No server may run.
    ///
    /// Checks every file first, and keeps what it replaces in a directory replaced-TIME beside it. A backup whose list of
    /// blocks is older than the one here is refused without --state, because blocks and revocations of keys would be
    /// lost.
    ///
    /// Exit codes: 0 restored, 1 refused or failed, 2 configuration or command line invalid.
    #[command(after_help = "Examples:\n  callsign restore /backup/callsign-2026-01-31 --dry-run\n  \
        callsign restore /backup/callsign-2026-01-31 --state keep")]
    Restore(Restore),
    /// Exit with 0 if the local server is ready, else with 1 and one line that says why.
    ///
    /// Requests /readyz on the admin port of this configuration. With `CALLSIGN_ADMIN_LISTEN=off` any HTTP response of
    /// the data port counts. Takes at most 3 seconds. For container images without a shell.
    Healthcheck,
}

/// Arguments of `block`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each option of the command line")]
pub struct Block {
    /// User id, or an identifier of any kind: as sent upstream, or as stated by the caller.
    #[arg(value_name = "ID", required_unless_present = "list")]
    pub id: Option<String>,
    /// Duration of the block: 45s, 30m, 24h or 7d, at most 100 years. By default permanent.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// Refused with a hint to `--for`.
    #[arg(long, value_name = "WHEN", hide = true, value_parser = instead_of_until())]
    pub until: Option<String>,
    /// Reason, shown in the list and on the console.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Also abort the user's running responses.
    #[arg(long)]
    pub cut: bool,
    /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Also block an id that was never seen.
    #[arg(long)]
    pub unseen: bool,
    /// Take the id as a user id only, not as an identifier of another kind.
    #[arg(long)]
    pub user_id: bool,
    /// List all blocks.
    #[arg(long, conflicts_with_all = ["id", "time", "reason", "cut", "tenant", "unseen", "user_id"])]
    pub list: bool,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// Arguments of `unblock`.
#[derive(Debug, clap::Args)]
pub struct Unblock {
    /// The blocked user id or identifier.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// Only acts since: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only acts of this operator, as `cli:root` or `admin`.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Subcommands of `limits`.
#[derive(Debug, Subcommand)]
pub enum LimitsCommand {
    /// Print what a user has used of each limit, and when it becomes available again. Limits of `[[keys]]` are not
    /// included.
    Show {
        /// User id.
        #[arg(value_name = "USER")]
        user: String,
        /// Tenant of the user. By default none.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// Output format.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
    },
    /// Set limits of a user. They win over the configuration, on every callsign within one second.
    ///
    /// Exit codes: 0 done, 1 failed (the reason is printed), 2 command line or configuration invalid.
    #[command(after_help = "Examples:\n  \
        callsign limits set alice rpm=5 usd_day=2 --for 7d\n  \
        callsign limits set alice concurrent=off usd_day=default")]
    Set(SetLimits),
    /// Return all limits of a user to what is configured.
    ///
    /// Exit codes: 0 done, 1 failed or nothing was set, 2 configuration invalid.
    #[command(after_help = "Example:\n  callsign limits reset alice")]
    Reset {
        /// User id, or an identifier of any kind.
        #[arg(value_name = "USER")]
        user: String,
        /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// Output format.
        #[command(flatten)]
        form: ResultFormat,
    },
}

impl LimitsCommand {
    /// Returns the identifier of any kind that names the user; empty where only a user id does.
    pub(super) fn identifier(&self) -> &str {
        match self {
            Self::Show { .. } => "",
            Self::Set(SetLimits { user, .. }) | Self::Reset { user, .. } => user,
        }
    }
}

/// Arguments of `limits set`.
#[derive(Debug, clap::Args)]
pub struct SetLimits {
    /// User id, or an identifier of any kind: as sent upstream, or as stated by the caller.
    #[arg(value_name = "USER")]
    pub user: String,
    /// Limit and value: rpm, `messages_24h`, concurrent, `tokens_day`, `usd_day` or `usd_month`; a number, `off` for no
    /// limit, or `default` for what is configured.
    #[arg(value_name = "LIMIT=VALUE", required = true, value_parser = limit_value)]
    pub values: Vec<limit::Value>,
    /// Time for which they hold: 45s, 30m, 24h or 7d, at most 100 years. By default unlimited.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// Refused with a hint to `--for`.
    #[arg(long, value_name = "WHEN", hide = true, value_parser = instead_of_until())]
    pub until: Option<String>,
    /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Also set limits of an id that was never seen.
    #[arg(long)]
    pub unseen: bool,
    /// Take the id as a user id only, not as an identifier of another kind.
    #[arg(long)]
    pub user_id: bool,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// Arguments of `explain` and `id` besides the user.
#[derive(Debug, clap::Args)]
pub struct Request {
    /// Tenant of the caller. By default none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Session id.
    #[arg(long, value_name = "S")]
    pub session: Option<String>,
    /// Chat (conversation) id.
    #[arg(long, value_name = "C")]
    pub chat: Option<String>,
    /// Message id.
    #[arg(long, value_name = "M")]
    pub message: Option<String>,
    /// Endpoint: chat, responses, messages, embeddings, rerank, … or a path, as chat/completions.
    #[arg(long, value_name = "E", default_value = "chat", value_parser = Inference::find_by_name)]
    pub endpoint: &'static Inference,
}

/// Arguments of `whois`.
#[derive(Debug, clap::Args)]
pub struct Whois {
    /// The identifier, exactly as reported.
    pub id: String,
    /// Only callers of this tenant; "" for callers without a tenant. By default all.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Output format.
    #[arg(long, value_parser = ["table", "json"], default_value = "table")]
    pub format: String,
    /// File of user ids to compare a hash with, one per line, optionally with a tab and a session, chat or message id.
    #[arg(long, value_name = "FILE")]
    pub candidates: Option<PathBuf>,
}

/// Arguments of `reconcile`.
#[derive(Debug, clap::Args)]
pub struct Reconcile {
    /// Only requests since: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only requests of this tenant; "" for callers without a tenant. By default all.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Output format.
    #[arg(long, value_parser = ["table", "json"], default_value = "table")]
    pub format: String,
}
