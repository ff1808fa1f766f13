//! Arguments of `ledger`.

use callsign_core::request_id::RequestId;
use clap::Subcommand;

use super::result_format::ResultFormat;

/// Subcommands of `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List the rows that the database refused, newest first.
    ///
    /// Their tokens and costs are in the ledger, without names. The id is that of the request log, which has the names.
    ///
    /// Exit codes: 0 listed (also if there are none), 1 failed, 2 configuration invalid.
    Rejected {
        /// Output format.
        #[arg(long, value_parser = ["table", "json"], default_value = "table")]
        format: String,
    },
    /// Give a rejected row its caller back.
    ///
    /// The request and its sums become those of the caller again. The caller must be the one of the request: a digest of
    /// tenant, key and user was stored with the row.
    ///
    /// Exit codes: 0 done, 1 not rejected, another caller, or failed, 2 configuration invalid.
    #[command(after_help = "Example:\n  callsign ledger repair req_0199… --key openwebui --user alice")]
    Repair(RepairArgs),
    /// Delete the note about a rejected row, or about all. The rows and their sums stay, without names.
    ///
    /// Exit codes: 0 done, 1 not rejected or failed, 2 configuration invalid.
    Drop {
        /// Request id of the row.
        #[arg(value_name = "ID", required_unless_present = "all")]
        id: Option<RequestId>,
        /// Delete the notes about all rejected rows.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Output format.
        #[command(flatten)]
        form: ResultFormat,
    },
}

/// Arguments of `ledger repair`.
#[derive(Debug, clap::Args)]
pub struct RepairArgs {
    /// Request id of the row.
    #[arg(value_name = "ID")]
    pub id: RequestId,
    /// Name of the key that authenticated the caller.
    #[arg(long, value_name = "NAME")]
    pub key: String,
    /// User id of the caller. By default none.
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Tenant of the caller. By default none.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}
