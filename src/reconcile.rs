//! Reconciliation: fetches costs that never arrived from OpenRouter's generation records
//! (`docs/SPEC.md#reconciliation`).
//!
//! ```text
//! requests that ended here ─┐
//!                           ├─► schedule ─► pace ─► records ─► ledger row, budget
//! pending rows of ledger  ──┘   (whose turn)  (when)  (look-up)
//! ```
//!
//! [`Reconciler`] runs inside `serve`. `callsign reconcile` runs [`once`] over the pending rows. Several nodes may look
//! up the same request; writing a cost twice changes nothing.

pub(crate) mod now;
pub(crate) mod once;
mod pace;
pub(crate) mod records;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use callsign_core::request_id::RequestId;
use callsign_core::usage::judgement::Bill;
use callsign_gateway::pending::{JobCost, PendingCost, PendingCosts};
use callsign_store::ledger::query::{Filter, Pending, Price};
use callsign_store::ledger::{Keeper, LedgerError, Reader};
use callsign_store::limits::Limiter;
use callsign_telemetry::metrics::Metrics;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::run::in_force::InForce;
use pace::{Pace, Slot, Suspensions};
use records::{Finding, Records};
use schedule::{Origin, Schedule, caller, is_expired};

/// Interval of reading pending rows from the ledger.
const EVERY: Duration = Duration::from_mins(1);
/// Minimum age in microseconds of a row that is looked up here although it did not end here. Younger ones are in the
/// queue of their node.
const OTHERS: i64 = 60_000_000;
/// Age in microseconds of a pending cost from which `/readyz` reports it.
const OLD: i64 = 3_600_000_000;
/// Maximum number of look-ups at the same time.
const MOST_RUNNING: usize = 8;
/// Pause in microseconds after a failure of the ledger, and of log lines about failures.
const LEDGER_PAUSE: i64 = 10_000_000;
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Name of the note about old pending costs.
const BACKLOG: &str = "costs";
/// Name of the note about refused keys.
const REFUSED: &str = "costs_key";

/// The parts of the running program that the reconciliation uses.
pub(crate) struct Deps {
    pub(crate) in_force: InForce,
    pub(crate) queue: Arc<PendingCosts>,
    pub(crate) reader: Reader,
    pub(crate) keeper: Keeper,
    pub(crate) limiter: Limiter,
    pub(crate) metrics: Arc<Metrics>,
}

/// The reconciliation inside `serve`.
pub(crate) struct Reconciler {
    deps: Deps,
    /// The keys of the configuration in force.
    records: Option<(Arc<Config>, Arc<Records>)>,
    schedule: Schedule,
    pace: Pace,
    suspensions: Suspensions,
    /// The last row that was read from the ledger; `None` to begin with the oldest.
    page: Option<RequestId>,
    /// True once the ledger has been read. The first time, young rows may be an earlier run's.
    has_read: bool,
    running: JoinSet<(Pending, Slot, Finding)>,
    /// No look-up begins before this time, because the ledger failed.
    paused_until: i64,
    logged: Option<Instant>,
}

impl Reconciler {
    pub(crate) fn new(deps: Deps) -> Self {
        let pace = Pace::new(deps.keeper.clone());
        Self {
            deps,
            records: None,
            schedule: Schedule::default(),
            pace,
            suspensions: Suspensions::default(),
            page: None,
            has_read: false,
            running: JoinSet::new(),
            paused_until: 0,
            logged: None,
        }
    }

    /// Looks up costs until the task is aborted.
    pub(crate) async fn run(mut self) {
        let mut reads = interval(EVERY);
        reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let queue = Arc::clone(&self.deps.queue);
        loop {
            let next = self.next_in(now_us());
            tokio::select! {
                () = queue.added() => {
                    for cost in queue.take() {
                        self.schedule.add(cost, Origin::Here, now_us());
                    }
                    for job in queue.take_jobs() {
                        if let Err(error) = self.book_job(job).await {
                            self.ledger_failed(&error);
                        }
                    }
                }
                _ = reads.tick() => {
                    if let Err(error) = self.read(now_us()).await {
                        self.ledger_failed(&error);
                    }
                }
                Some(ended) = self.running.join_next() => {
                    if let Ok((request, slot, finding)) = ended {
                        self.finish(&request, slot, finding).await;
                    }
                }
                () = sleep(next.unwrap_or_default()), if next.is_some() => self.begin(now_us()).await,
            }
        }
    }

    /// Returns the time until the next look-up; `None` if nothing waits or enough look-ups run.
    fn next_in(&mut self, now: i64) -> Option<Duration> {
        if self.running.len() >= MOST_RUNNING {
            return None;
        }
        let at = self.schedule.next_at(now)?.max(self.paused_until);
        Some(Duration::from_micros(u64::try_from(at - now).unwrap_or_default()))
    }

    /// Begins the next look-up.
    async fn begin(&mut self, now: i64) {
        let Some(records) = self.records() else {
            self.paused_until = now + LEDGER_PAUSE;
            return;
        };
        let Some((request, origin)) = self.schedule.next(now) else { return };
        let is_suspended = self.suspensions.has(request.account.as_deref().unwrap_or_default(), now);
        if is_suspended || !records.has_key(&request) {
            self.schedule.again(request.id, now);
            return;
        }
        if origin == Origin::Ledger && !self.is_pending(request.id).await {
            self.schedule.done(request.id);
            return;
        }
        match self.pace.slot(self.schedule.ready() + 1, now).await {
            Ok(slot) => {
                let wait = Duration::from_micros(u64::try_from(slot.at - now).unwrap_or_default());
                self.running.spawn(async move {
                    sleep(wait).await;
                    let finding = records.look_up(&request).await;
                    (request, slot, finding)
                });
            }
            Err(error) => {
                self.schedule.again(request.id, now);
                self.ledger_failed(&error);
            }
        }
    }

    /// Handles the result of a look-up.
    async fn finish(&mut self, request: &Pending, slot: Slot, finding: Finding) {
        let now = now_us();
        self.deps.metrics.costs.looked_up(finding.label());
        let account = request.account.as_deref().unwrap_or_default();
        match &finding {
            Finding::Refused(status) => self.refused(account, *status, now),
            Finding::Failed(error) => self.log(|| tracing::warn!(%error, "reconcile: a look-up failed")),
            Finding::Later { .. } => {}
            Finding::Found(_) | Finding::NotYet | Finding::Never => {
                if self.suspensions.end(account, now) {
                    self.deps.metrics.health.clear(REFUSED);
                }
            }
        }
        let learnt = self.pace.learn(slot, &finding, now).await;
        let result = match (learnt, conclusion(&finding, request, now)) {
            (Err(error), _) => Err(error),
            (Ok(()), Conclusion::Cost(price)) => self.conclude(request, Some(price)).await,
            (Ok(()), Conclusion::Never) => self.conclude(request, None).await,
            (Ok(()), Conclusion::Open) => {
                self.schedule.again(request.id, now);
                return;
            }
        };
        if let Err(error) = result {
            self.schedule.again(request.id, now);
            self.ledger_failed(&error);
        }
    }

    /// Writes a cost, or that there will never be one, into the ledger and the budget.
    async fn conclude(&mut self, request: &Pending, price: Option<&Price>) -> Result<(), LedgerError> {
        let changed = write(&self.deps.keeper, request, price).await?;
        if price.is_none() && changed {
            self.deps.metrics.costs.never.inc();
        }
        let count_byok = self.deps.in_force.config().limits.count_byok;
        let usage = price.map(|price| &price.usage);
        self.deps.limiter.correct(&caller(request), request.id, usage, count_byok);
        self.schedule.done(request.id);
        Ok(())
    }

    /// Writes the cost that a job's owner has seen, unless it is known already.
    async fn book_job(&mut self, job: JobCost) -> Result<(), LedgerError> {
        let Some(request) = self.deps.reader.pending_job(&job.id).await? else { return Ok(()) };
        let price = Price { usage: job.usage, ..Price::default() };
        self.conclude(&request, Some(&price)).await
    }

    /// Reads a page of pending rows from the ledger.
    async fn read(&mut self, now: i64) -> Result<(), LedgerError> {
        if self.suspensions.end("", now) {
            self.deps.metrics.health.clear(REFUSED);
        }
        let page = self.deps.reader.pending(&Filter::default(), self.page).await?;
        if self.page.is_none() {
            self.report_age(page.first(), now);
        }
        let (pending, _) = self.deps.reader.unpriced().await?;
        self.deps.metrics.costs.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.page = page.last().map(|request| request.id).filter(|_| page.len() >= Reader::PENDING_PAGE);
        let Some(records) = self.records() else { return Ok(()) };
        let youngest = if std::mem::replace(&mut self.has_read, true) { OTHERS } else { 0 };
        for request in page {
            if now - request.began.as_microsecond() < youngest {
                continue;
            }
            if records.has_key(&request) {
                self.schedule.add(PendingCost { request, has_budget: false }, Origin::Ledger, now);
            } else if is_expired(&request, now) {
                self.conclude(&request, None).await?;
            }
        }
        Ok(())
    }

    fn report_age(&self, oldest: Option<&Pending>, now: i64) {
        let health = &self.deps.metrics.health;
        if oldest.is_some_and(|request| now - request.began.as_microsecond() > OLD) {
            health.set(BACKLOG, "costs of requests have been pending for more than an hour");
        } else {
            health.clear(BACKLOG);
        }
    }

    /// Returns false if another process has found the cost.
    async fn is_pending(&self, id: RequestId) -> bool {
        let Ok(found) = self.deps.reader.request(&id.to_string()).await else { return true };
        found.iter().any(|request| request.ended.as_ref().is_some_and(|ended| ended.bill == Bill::Pending))
    }

    fn refused(&mut self, account: &str, status: u16, now: i64) {
        if self.suspensions.add(account, now) {
            tracing::error!(
                status,
                account,
                "reconcile: OpenRouter refuses a key; no look-ups with it for 10 minutes or until it is replaced"
            );
        }
        let reason = format!("OpenRouter refuses generation records to a key ({status})");
        self.deps.metrics.health.set(REFUSED, reason);
    }

    /// Returns the keys of the configuration in force; `None` if no client can be created.
    fn records(&mut self) -> Option<Arc<Records>> {
        let config = self.deps.in_force.config();
        if let Some((of, records)) = &self.records
            && Arc::ptr_eq(of, &config)
        {
            return Some(Arc::clone(records));
        }
        match Records::new(&config).map(Arc::new) {
            Ok(records) => {
                self.records = Some((config, Arc::clone(&records)));
                Some(records)
            }
            Err(error) => {
                self.log(|| tracing::error!(%error, "reconcile: cannot look up costs"));
                None
            }
        }
    }

    fn ledger_failed(&mut self, error: &LedgerError) {
        self.paused_until = now_us() + LEDGER_PAUSE;
        self.log(|| tracing::warn!(%error, "reconcile: the ledger failed; retrying"));
    }

    fn log(&mut self, line: impl FnOnce()) {
        if self.logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.logged = Some(Instant::now());
            line();
        }
    }
}

/// The consequence of a finding for a request.
enum Conclusion<'f> {
    /// The cost.
    Cost(&'f Price),
    /// There will never be one.
    Never,
    /// The request must be looked up again.
    Open,
}

/// Returns what a finding means for a request.
fn conclusion<'f>(finding: &'f Finding, request: &Pending, now: i64) -> Conclusion<'f> {
    match finding {
        Finding::Found(price) => Conclusion::Cost(price),
        Finding::Never => Conclusion::Never,
        Finding::NotYet if is_expired(request, now) => Conclusion::Never,
        Finding::NotYet | Finding::Later { .. } | Finding::Refused(_) | Finding::Failed(_) => Conclusion::Open,
    }
}

/// Writes a cost into the ledger, or that there will never be one. Returns true if the row changed.
async fn write(keeper: &Keeper, request: &Pending, price: Option<&Price>) -> Result<bool, LedgerError> {
    match price {
        Some(price) => keeper.price(request.id, price).await,
        None => keeper.never(request.id).await,
    }
}

fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}
