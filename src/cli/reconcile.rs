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
use callsign_gateway::account::fingerprint;
use callsign_gateway::openrouter::{OpenRouterClient, OpenRouterError, Record};
use callsign_store::ledger::query::{Filter, Pending};
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
    /// Requests of accounts whose keys are not configured.
    not_ours: u64,
    /// Requests whose record names another user.
    foreign: u64,
    failed: u64,
    /// All requests in the ledger whose cost can never be found.
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
        (tally.not_ours, "Requests of accounts whose OpenRouter keys are not configured"),
        (tally.foreign, "Requests whose record names another user; their cost can never be found"),
        (tally.failed, "Failed requests, run callsign reconcile again"),
    ] {
        if count > 0 {
            writeln!(out, "{what}: {count}.")?;
        }
    }
    if tally.never > 0 {
        writeln!(out, "Requests whose cost can never be found: {}.", tally.never)?;
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
    let ((reader, keeper), missing) = match (books, missing) {
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
            Ok(record) if is_of_another(&record, request) => match keeper.never(request.id).await {
                Ok(changed) => tally.foreign += u64::from(changed),
                Err(error) => return Ok(Err(error)),
            },
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
    match reader.unpriced().await {
        Ok((_, never)) => tally.never = never,
        Err(error) => return Ok(Err(error)),
    }
    Ok(Ok(tally))
}

/// Returns all requests without a cost, as ids of about 100 bytes each.
async fn missing(reader: &Reader, filter: &Filter) -> Result<Vec<Pending>, LedgerError> {
    let (mut missing, mut last) = (Vec::new(), None);
    loop {
        let found = reader.pending(filter, last).await?;
        let Some(end) = found.last() else { return Ok(missing) };
        last = Some(end.id);
        missing.extend(found);
    }
}

/// Returns true if OpenRouter recorded another user than callsign sent. Such a record is not this request's.
fn is_of_another(record: &Record, request: &Pending) -> bool {
    record.external_user.as_ref().zip(request.sent_user.as_ref()).is_some_and(|(told, sent)| told != sent)
}

/// Returns the key that paid for a request: only its account can read the record. `None` if no configured key is that
/// of the account.
fn payer<'c>(config: &'c Config, request: &Pending) -> Option<&'c Secret> {
    let tenants = config.tenants.list.iter().filter_map(|tenant| tenant.api_key.as_ref());
    let account = request.account.as_deref()?;
    let mut keys = config.upstream.api_key.iter().chain(tenants);
    keys.find(|key| *fingerprint(key.expose().as_bytes()) == *account)
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
