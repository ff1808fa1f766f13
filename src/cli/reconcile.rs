//! `callsign reconcile`: fetches missing costs from OpenRouter's generation records.
//!
//! Each cost is written at once, and known costs are not requested again, so the command can be interrupted and
//! restarted.

mod progress;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::args::Reconcile;
use super::{Exit, ledger_access};
use crate::config::{Config, printable};
use callsign_core::secret::Secret;
use callsign_core::usage::money::NanoUsd;
use callsign_gateway::openrouter::{OpenRouterClient, OpenRouterError, Record};
use callsign_store::ledger::query::{Filter, Unpriced};
use callsign_store::ledger::{Keeper, LedgerError, Reader, report};
use progress::Progress;

/// Time between two requests. Five a second is far below OpenRouter's limit.
const PACE: Duration = Duration::from_millis(200);
/// Maximum number of requests for one record while OpenRouter asks to wait.
const TRIES: u32 = 5;
/// Maximum wait between two of them.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Counts of the results.
#[derive(Debug, Default)]
struct Tally {
    filled: u64,
    cost: NanoUsd,
    /// Requests of which OpenRouter has no record, or none yet.
    not_there: u64,
    /// Requests paid with a caller's own key, which callsign does not store.
    not_ours: u64,
    failed: u64,
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
    let records = match OpenRouterClient::new(&config.upstream) {
        Ok(records) => records,
        Err(error) => {
            writeln!(err, "callsign: {error}")?;
            return Ok(Exit::Failure);
        }
    };
    let tally = match reconcile(config, &filter, &records, err).await? {
        Ok(tally) => tally,
        Err(error) => return ledger_access::refuse(&error, err),
    };
    writeln!(out, "Costs added: {}, {} USD in total.", tally.filled, report::usd(tally.cost))?;
    for (count, what) in [
        (tally.not_there, "Requests without a record at OpenRouter, or not yet"),
        (tally.not_ours, "Requests paid with callers' own keys, whose records cannot be read"),
        (tally.failed, "Failed requests, run callsign reconcile again"),
    ] {
        if count > 0 {
            writeln!(out, "{what}: {count}.")?;
        }
    }
    Ok(if tally.failed == 0 { Exit::Success } else { Exit::Failure })
}

async fn reconcile(
    config: &Config,
    filter: &Filter,
    records: &OpenRouterClient,
    err: &mut impl Write,
) -> io::Result<Result<Tally, LedgerError>> {
    let books = Reader::open(&config.ledger).and_then(|reader| Ok((reader, Keeper::open(&config.ledger)?)));
    let missing = match &books {
        Ok((reader, _)) => missing(reader, filter).await,
        Err(_) => Ok(Vec::new()),
    };
    let ((_, keeper), missing) = match (books, missing) {
        (Ok(books), Ok(missing)) => (books, missing),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
    };
    let mut progress = Progress::new(missing.len(), io::stderr().is_terminal());
    let (mut tally, mut next) = (Tally::default(), Instant::now());
    for request in &missing {
        let Some(key) = payer(config, request) else {
            tally.not_ours += 1;
            progress.step(err)?;
            continue;
        };
        sleep_until(next).await;
        next = Instant::now() + PACE;
        match ask(records, key, &request.generation).await {
            Ok(record) => match keeper.price(request.id, &record.price).await {
                Ok(true) => {
                    tally.filled += 1;
                    tally.cost = tally.cost.saturating_add(record.price.usage.cost.unwrap_or_default());
                }
                // Another process wrote the cost first, or the record has none.
                Ok(false) => {}
                Err(error) => return Ok(Err(error)),
            },
            Err(OpenRouterError::NotFound) => tally.not_there += 1,
            Err(error) => {
                tally.failed += 1;
                progress.say(&format!("{}: {error}", printable(&request.generation)), err)?;
            }
        }
        progress.step(err)?;
    }
    progress.end();
    Ok(Ok(tally))
}

/// Returns all requests without a cost, as ids of about 100 bytes each.
async fn missing(reader: &Reader, filter: &Filter) -> Result<Vec<Unpriced>, LedgerError> {
    let (mut missing, mut page) = (Vec::new(), None);
    loop {
        let (found, next) = reader.unpriced(filter, page).await?;
        missing.extend(found);
        if next.is_none() {
            return Ok(missing);
        }
        page = next;
    }
}

/// Returns the key that paid for a request and may read its record: the tenant's, else the operator's. `None` for a
/// pass-through key.
fn payer<'c>(config: &'c Config, request: &Unpriced) -> Option<&'c Secret> {
    let operator = config.upstream.api_key.as_ref();
    match &request.tenant {
        None => operator,
        Some(name) if name.starts_with(callsign_core::auth::PASS_THROUGH) => None,
        Some(name) => {
            let tenant = config.tenants.list.iter().find(|tenant| tenant.name == *name);
            tenant.and_then(|tenant| tenant.api_key.as_ref()).or(operator)
        }
    }
}

/// Fetches one record, with retries while OpenRouter asks to wait.
async fn ask(records: &OpenRouterClient, key: &Secret, generation: &str) -> Result<Record, OpenRouterError> {
    let mut wait = Duration::from_secs(1);
    for _ in 1..TRIES {
        match records.generation(key, generation).await {
            Err(OpenRouterError::RetryLater { after, .. }) => sleep(after.unwrap_or(wait).min(LONGEST_WAIT)).await,
            Err(OpenRouterError::Request(_)) => sleep(wait).await,
            other => return other,
        }
        wait *= 2;
    }
    records.generation(key, generation).await
}
