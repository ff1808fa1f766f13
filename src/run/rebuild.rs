//! Rebuilds token and dollar budgets from the ledger: at the start, after the shared store has restarted, because it may
//! have lost its memory or have an old copy, and every hour, because costs are found late (`docs/SPEC.md#reservations`).

use std::collections::HashMap;
use std::time::Duration;

use callsign_core::allowance::Limit;
use callsign_core::auth::PASS_THROUGH;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::stored_key::StoredKey;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter, Grouping, UsageRow};
use callsign_store::ledger::{LedgerError, Reader};
use callsign_store::limits::overrides::OverrideList;
use callsign_store::limits::{Limiter, Rules, Spent, Subject};
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::in_force::InForce;

/// Time between two rebuildings.
const EVERY: Duration = Duration::from_hours(1);
/// Time to the second rebuilding, which finds requests that ran during the first.
const SOON: Duration = Duration::from_mins(1);
/// Pause after a failure. With `deny` callers with budgets are refused meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Rebuilds budgets until the task is aborted.
pub(super) async fn run(in_force: InForce, reader: Reader, limiter: Limiter) {
    limiter.must_rebuild().await;
    let mut next = SOON;
    loop {
        let rules = Rules::new(&in_force.config().limits);
        if let Err(error) = rebuild(&rules, &reader, &limiter).await {
            tracing::warn!(%error, "limits: cannot rebuild budgets from the ledger; retrying every second");
            sleep(PAUSE).await;
            continue;
        }
        // Either the time passes, or the store has restarted.
        next = if timeout(next, limiter.must_rebuild()).await.is_ok() { SOON } else { EVERY };
    }
}

/// An error of rebuilding.
#[derive(Debug, thiserror::Error)]
enum RebuildError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] callsign_store::limits::StoreUnavailableError),
}

async fn rebuild(rules: &Rules, reader: &Reader, limiter: &Limiter) -> Result<(), RebuildError> {
    let run = limiter.store_run();
    let keys = limiter.operator_state().keys_with(Limit::is_budget);
    if !rules.has_budgets() && !limiter.overrides().any(Limit::is_budget) && keys.is_empty() {
        return Ok(limiter.restore(&[], &run).await?);
    }
    let (day, month) = limiter.periods();
    let mut all: HashMap<Subject, Spent> = HashMap::new();
    for row in usage(reader, day).await? {
        for subject in subjects(rules, &limiter.overrides(), &keys, &row) {
            let spent = all.entry(subject).or_default();
            spent.tokens_day = spent.tokens_day.saturating_add(tokens(&row));
            spent.usd_day = spent.usd_day.saturating_add(cost(rules, &row).0);
        }
    }
    for row in usage(reader, month).await? {
        for subject in subjects(rules, &limiter.overrides(), &keys, &row) {
            let spent = all.entry(subject).or_default();
            spent.usd_month = spent.usd_month.saturating_add(cost(rules, &row).0);
        }
    }
    let all: Vec<_> = all.into_iter().collect();
    limiter.restore(&all, &run).await?;
    tracing::debug!(subjects = all.len(), "limits: budgets rebuilt from the ledger");
    Ok(())
}

async fn usage(reader: &Reader, since: Timestamp) -> Result<Vec<UsageRow>, LedgerError> {
    let filter = Filter { since: Some(since), ..Filter::default() };
    reader.usage(Grouping { first: By::User, second: Some(By::Key) }, &filter).await
}

/// Returns the subjects of a row that have budgets.
fn subjects(
    rules: &Rules,
    overrides: &OverrideList,
    keys: &HashMap<String, StoredKey>,
    row: &UsageRow,
) -> impl Iterator<Item = Subject> + use<> {
    let caller = CallerIdentity {
        tenant: row.tenant.as_deref().filter(|tenant| !tenant.is_empty()),
        key: row.second.as_deref().unwrap_or_default(),
        user: row.key.as_deref().filter(|user| !user.is_empty()),
        stored: row.second.as_ref().and_then(|name| keys.get(name)),
        ..CallerIdentity::default()
    };
    let operator_pays = caller.tenant.is_none_or(|tenant| !tenant.starts_with(PASS_THROUGH));
    let scopes = rules.scopes(&caller, operator_pays, overrides).into_iter();
    scopes.filter(|limits| limits.ceilings.has_budget()).map(|limits| limits.subject)
}

fn tokens(row: &UsageRow) -> i64 {
    i64::try_from(row.prompt_tokens.saturating_add(row.completion_tokens)).unwrap_or(i64::MAX)
}

fn cost(rules: &Rules, row: &UsageRow) -> NanoUsd {
    if rules.count_byok { row.total_cost() } else { row.cost }
}
