//! The arguments of `key`.

use std::time::Duration;

use callsign_core::allowance::{Ceiling, Limit};
use callsign_store::ledger;
use callsign_store::limits::orders::key::LONGEST_OVERLAP;
use clap::{ArgGroup, Subcommand};

use super::ledger_args::Format;
use super::parsers::{limit_value, time};
use super::result_format::ResultFormat;

/// Subcommands of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key, and print it once: alone on the standard output, with an explanation on the standard error.
    ///
    /// With a user's key every request is that user's. With an app's key the app names its user in the headers of a
    /// preset. The key is stored where servers with this configuration read it, and they accept it within one second.
    /// Needs `CALLSIGN_ID_SECRET`, which seals the stored row. With --print-only nothing is stored: the command prints a
    /// key and the settings that accept it.
    ///
    /// Exit codes: 0 created, 1 failed (the reason is printed), 2 command line or configuration invalid.
    #[command(after_help = "Examples:\n  \
        callsign key create --user alice --expires 90d > alice.key\n  \
        callsign key create --app chat --preset openwebui --limit rpm=60\n  \
        callsign key create --user alice --print-only")]
    Create(CreateKey),
    /// Replace a key in the database, and print the new one once, alone on the standard output.
    ///
    /// The earlier key stays valid for --overlap, at most to its own end. At most one earlier key is valid.
    ///
    /// Exit codes: 0 replaced, 1 failed (the reason is printed), 2 command line or configuration invalid.
    #[command(
        after_help = "Examples:\n  callsign key rotate alice > alice.key\n  callsign key rotate chat --overlap 0"
    )]
    Rotate {
        /// Name of the key.
        #[arg(value_name = "NAME")]
        name: String,
        /// Time for which the earlier key stays valid: 0, 30m, 24h or 7d, at most 30 days.
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
        overlap: Duration,
        /// Output format.
        #[command(flatten)]
        form: ResultFormat,
    },
    /// Revoke a key in the database, with the earlier key of a rotation. This is final.
    ///
    /// Every server refuses the key within one second. Nobody else can get a key with its name.
    ///
    /// Exit codes: 0 revoked, 1 failed (the reason is printed), 2 command line or configuration invalid.
    #[command(after_help = "Example:\n  callsign key revoke alice --cut")]
    Revoke {
        /// Name of the key.
        #[arg(value_name = "NAME")]
        name: String,
        /// Also abort the running responses of the key.
        #[arg(long)]
        cut: bool,
        /// Output format.
        #[command(flatten)]
        form: ResultFormat,
    },
    /// Take keys of the configuration into the database. Callers keep their keys.
    ///
    /// Prints what would be imported; with --yes it is. A key is left where it is if it has a setting that keys in the
    /// database do not have, as metadata, or if it does not begin with sk-cs-. Afterwards remove the imported keys from
    /// the configuration: until then its entries are the ones in force.
    ///
    /// Exit codes: 0 done, 1 failed or some keys were left (the reasons are printed), 2 configuration invalid.
    #[command(after_help = "Examples:\n  callsign key import\n  callsign key import --yes\n  \
        callsign key import --key app --as chat --yes")]
    Import(ImportKeys),
    /// List keys: their callers and whether they are valid. The keys themselves are not stored.
    List {
        /// Output format. json and csv list the keys in the database.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

impl KeyCommand {
    /// Returns true if the command neither reads nor writes stored keys.
    pub(in crate::cli) fn stores_nothing(&self) -> bool {
        matches!(self, Self::Create(CreateKey { print_only: true, .. }))
    }
}

/// Arguments of `key import`.
#[derive(Debug, clap::Args)]
pub struct ImportKeys {
    /// Only the key with this name; repeat it for several. By default all.
    #[arg(long = "key", value_name = "NAME")]
    pub keys: Vec<String>,
    /// Name of the key in the database, for one --key. Statistics follow the name.
    #[arg(long = "as", value_name = "NAME", requires = "keys")]
    pub new_name: Option<String>,
    /// Import, instead of printing what would be imported.
    #[arg(long)]
    pub yes: bool,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// The caller of a key: exactly one of a user and an app.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("holder").required(true))]
pub struct KeyHolder {
    /// User id for a personal key.
    #[arg(long, value_name = "ID", group = "holder")]
    pub user: Option<String>,
    /// Name of the app for an app's key.
    #[arg(long, value_name = "NAME", group = "holder")]
    pub app: Option<String>,
    /// Preset of headers in which the app names its users: generic (X-User-Id, …, the default), openwebui, librechat,
    /// oauth2-proxy, authentik, or one of `[presets]` in the configuration file.
    #[arg(long, value_name = "P", conflicts_with = "user")]
    pub preset: Option<String>,
}

/// Arguments of `key create`.
#[derive(Debug, clap::Args)]
pub struct CreateKey {
    /// The caller.
    #[command(flatten)]
    pub holder: KeyHolder,
    /// Name of the key, in lists and statistics. By default the user's or the app's, with a number if that is taken.
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// Tenant of its callers. By default none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Time until it ends: 24h or 90d, at most 100 years. By default it does not end.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub expires: Option<Duration>,
    /// Limit of each of its callers, as rpm=60 or `usd_month=20`; repeat it for several.
    #[arg(long = "limit", value_name = "LIMIT=VALUE", value_parser = ceiling)]
    pub limits: Vec<(Limit, Ceiling)>,
    /// Client network or address from which it is accepted; repeat it for several. By default all.
    #[arg(long = "allowed-network", value_name = "NETWORK")]
    pub from: Vec<String>,
    /// Store nothing: print a key, and how to accept it by the environment or the configuration file.
    #[arg(long, conflicts_with_all = ["name", "tenant", "expires", "limits", "from"])]
    pub print_only: bool,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// Parses a limit and its value, which is not `default`.
fn ceiling(text: &str) -> Result<(Limit, Ceiling), String> {
    match limit_value(text)? {
        (limit, Some(ceiling)) => Ok((limit, ceiling)),
        (_, None) => Err("a new key has no value to return to; expected a number or off".to_owned()),
    }
}

/// Parses the overlap of a rotation.
fn overlap(text: &str) -> Result<Duration, &'static str> {
    let time = match text.trim() {
        "0" => Some(Duration::ZERO),
        text => ledger::duration(text).and_then(|time| Duration::try_from(time).ok()),
    };
    time.filter(|time| *time <= LONGEST_OVERLAP).ok_or("expected 0, or a number and s, m, h or d, as 24h; at most 30d")
}
