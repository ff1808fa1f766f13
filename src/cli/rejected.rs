//! `callsign ledger`: lists, repairs and drops rows that the database refused (docs/SPEC.md#rejected-rows).

use std::io::{self, Write};

use serde_json::json;

use callsign_core::request_id::RequestId;
use callsign_store::ledger::query::{Rejected, Repair};
use callsign_store::ledger::{Keeper, LedgerError, Reader, RequestLabels, report};

use super::args::{LedgerCommand, RepairArgs};
use super::{Exit, ledger_access};
use crate::config::Config;

/// Runs a subcommand of `ledger`.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    command: &LedgerCommand,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match command {
        LedgerCommand::Rejected { format } => list(config, format == "json", out, err).await,
        LedgerCommand::Repair(asked) => repair(config, asked, out, err).await,
        LedgerCommand::Drop { id, form, .. } => forget_notes(config, *id, form.is_json(), out, err).await,
    }
}

async fn list(config: &Config, json: bool, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let rejected = match read(config).await {
        Ok(rejected) => rejected,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report::rejected_json(&rejected))?)?;
    } else if rejected.is_empty() {
        writeln!(err, "callsign: the database has refused no row")?;
    } else {
        write!(out, "{}", report::rejected_table(&rejected))?;
    }
    Ok(Exit::Success)
}

async fn read(config: &Config) -> Result<Vec<Rejected>, LedgerError> {
    Reader::open(&config.ledger)?.rejected().await
}

async fn repair(config: &Config, asked: &RepairArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let named = |name: &Option<String>| name.as_deref().filter(|name| !name.is_empty()).map(Into::into);
    let caller = RequestLabels {
        tenant: named(&asked.tenant),
        key: asked.key.as_str().into(),
        user: named(&asked.user),
        ..RequestLabels::default()
    };
    let repaired = async { Keeper::open(&config.ledger)?.repair(asked.id, &caller).await };
    let problem = match repaired.await {
        Ok(Repair::Done) if asked.form.is_json() => {
            writeln!(out, "{:#}", json!({ "request_id": asked.id.to_string(), "repaired": true }))?;
            return Ok(Exit::Success);
        }
        Ok(Repair::Done) => {
            writeln!(out, "Repaired: the request {} has its caller again.", asked.id)?;
            return Ok(Exit::Success);
        }
        Ok(Repair::NotRejected) => "the database has refused no row with this id; see callsign ledger rejected",
        Ok(Repair::OtherCaller) => {
            "the request was another caller's; give --key, --user and --tenant as the request log has them"
        }
        Ok(Repair::NotFinished) => "the ledger has no finished row with this id, so there is nothing to repair",
        Err(error) => return ledger_access::refuse(&error, err),
    };
    writeln!(err, "callsign: {problem}")?;
    Ok(Exit::Failure)
}

async fn forget_notes(
    config: &Config,
    id: Option<RequestId>,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let dropped = async { Keeper::open(&config.ledger)?.drop_rejected(id).await };
    match dropped.await {
        Ok(0) if id.is_some() => {
            writeln!(err, "callsign: the database has refused no row with this id; see callsign ledger rejected")?;
            Ok(Exit::Failure)
        }
        Ok(dropped) if json => {
            writeln!(out, "{:#}", json!({ "dropped": dropped }))?;
            Ok(Exit::Success)
        }
        Ok(dropped) => {
            writeln!(out, "Dropped: {dropped} notes. The rows stay, without names.")?;
            Ok(Exit::Success)
        }
        Err(error) => ledger_access::refuse(&error, err),
    }
}
