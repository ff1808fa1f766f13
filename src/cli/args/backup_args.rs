//! Arguments of `backup` and `restore`.

use std::path::PathBuf;

use super::result_format::ResultFormat;

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The directory to create. It must not exist.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The directory that `callsign backup` has made.
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// Decision about state.db (blocks, run-time limits, keys, audit log): keep the present one and restore the ledger
    /// alone, or replace it, also by an older one.
    #[arg(long, value_enum, value_name = "keep|replace")]
    pub state: Option<State>,
    /// Check the backup and print what would be replaced; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// The decision about `state.db`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum State {
    /// The present one stays.
    Keep,
    /// The one of the backup replaces it.
    Replace,
}
