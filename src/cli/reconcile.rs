//! `callsign reconcile`: fetches missing costs from OpenRouter's generation records.
//!
//! Each cost is written at once, and known costs are not requested again, so the command can be interrupted and
//! restarted.

mod progress;

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use super::args::Reconcile;
use super::{Exit, ledger_access};
use crate::config::Config;
use crate::reconcile::once::{self, Once, Resolved};
use crate::reconcile::records::{Finding, Records};
use callsign_core::usage::money::NanoUsd;
use callsign_core::visible::printable;
use callsign_store::ledger::query::{Filter, Pending};
use callsign_store::ledger::{Keeper, LedgerError, Reader, report};
use progress::Progress;

/// Counts of the results.
#[derive(Debug, Default)]
struct Tally {
    filled: u64,
    cost: NanoUsd,
    /// Requests of which OpenRouter has no record, or none yet.
    not_there: u64,
    /// Requests paid with a key that is not configured.
    no_key: u64,
    failed: u64,
    /// Requests of the whole ledger whose cost can never be found.
    never: u64,
}

/// Fetches all missing costs and prints the counts.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Reconcile,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(filter) = ledger_access::filter(asked.since.as_deref(), asked.tenant.as_deref(), err)? else {
        return Ok(Exit::Invalid);
    };
    let records = match Records::new(config) {
        Ok(records) => records,
        Err(error) => {
            writeln!(err, "callsign: {error}")?;
            return Ok(Exit::Failure);
        }
    };
    let tally = match reconcile(config, &filter, records, err).await? {
        Ok(tally) => tally,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    if asked.format == "json" {
        writeln!(out, "{}", serde_json::to_string_pretty(&tally.json())?)?;
    } else {
        tally.print(out)?;
    }
    Ok(if tally.failed == 0 { Exit::Success } else { Exit::Failure })
}

async fn reconcile(
    config: &Config,
    filter: &Filter,
    records: Records,
    err: &mut impl Write,
) -> io::Result<Result<Tally, LedgerError>> {
    let access = Reader::open(&config.ledger).and_then(|reader| Ok((reader, Keeper::open(&config.ledger)?)));
    let (reader, keeper) = match access {
        Ok(access) => access,
        Err(error) => return Ok(Err(error)),
    };
    let pending = match once::pending(&reader, filter).await {
        Ok(pending) => pending,
        Err(error) => return Ok(Err(error)),
    };
    let mut progress = Progress::new(pending.len(), io::stderr().is_terminal());
    let (mut tally, mut once) = (Tally::default(), Once::new(records, keeper));
    for request in &pending {
        match once.run_once(request).await {
            Ok(resolved) => tally.count(request, &resolved, &progress, err)?,
            Err(error) => return Ok(Err(error)),
        }
        progress.step(err)?;
    }
    progress.end();
    Ok(reader.unpriced().await.map(|(_, never)| Tally { never, ..tally }))
}

impl Tally {
    fn json(&self) -> Value {
        json!({
            "costs_added": self.filled,
            "cost_usd": report::usd(self.cost),
            "without_record": self.not_there,
            "key_not_configured": self.no_key,
            "failed": self.failed,
            "never": self.never,
        })
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "Costs added: {}, {} USD in total.", self.filled, report::usd(self.cost))?;
        for (count, what) in [
            (self.not_there, "Requests without a record at OpenRouter, or not yet"),
            (self.no_key, "Requests of accounts whose OpenRouter keys are not configured"),
            (self.failed, "Failed requests, run callsign reconcile again"),
            (self.never, "Requests whose cost can never be found"),
        ] {
            if count > 0 {
                writeln!(out, "{what}: {count}.")?;
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        request: &Pending,
        resolved: &Resolved,
        progress: &Progress,
        err: &mut impl Write,
    ) -> io::Result<()> {
        let generation = printable(&request.generation);
        match resolved {
            Resolved::Filled(true, Finding::Found(price)) => {
                self.filled += 1;
                self.cost = self.cost.saturating_add(price.usage.total_cost().unwrap_or_default());
            }
            Resolved::Filled(..) | Resolved::Never => {}
            Resolved::NoKey => self.no_key += 1,
            Resolved::Unresolved(Finding::Refused(status)) => {
                self.failed += 1;
                progress.say(&format!("{generation}: OpenRouter refuses the key with status {status}"), err)?;
            }
            Resolved::Unresolved(Finding::Failed(error)) => {
                self.failed += 1;
                progress.say(&format!("{generation}: {error}"), err)?;
            }
            Resolved::Unresolved(Finding::Later { .. }) => {
                self.failed += 1;
                progress.say(&format!("{generation}: OpenRouter asks to retry later"), err)?;
            }
            Resolved::Unresolved(_) => self.not_there += 1,
        }
        Ok(())
    }
}
