//! The writer's maintenance between batches: reopens the database, restores spilled rows, writes counts of refusals and
//! deletes old rows. Each step is bounded, so that new rows do not wait long.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::due::{BEAT, STEP, TICK};
use super::{BATCH, Batch, OPENING, RAISING, Writer, finished_among};
use crate::ledger::error::{LedgerError, reason};
use crate::ledger::grain::timestamp;
use crate::ledger::store::{Store, Written};

/// Time between two searches for expired rows.
const RETENTION: Duration = Duration::from_hours(1);
/// Time between two searches for an hour that is over.
const FOLDING: Duration = Duration::from_mins(1);
/// Time between two looks at a clock that is not trusted yet.
const CLOCK: Duration = Duration::from_mins(1);

impl Writer {
    /// Runs the steps that are due. Returns true if more work is ready now.
    pub(super) async fn chores(&mut self) -> bool {
        self.reopen().await;
        let more = self.release().await;
        if self.store.is_none() {
            return more;
        }
        let more = more || self.take_back().await;
        if !more && !self.claimed {
            self.claim().await;
        }
        let now = Instant::now();
        if !more && (now >= self.due.raise || self.store.as_ref().is_some_and(Store::is_behind)) {
            self.raise().await;
        }
        if now >= self.due.beat || (self.shared.is_losing() && self.held.is_empty()) {
            self.beat().await;
        }
        if !more && now >= self.due.fold {
            self.fold().await;
        }
        if !more && now >= self.due.retain {
            self.retain().await;
        }
        more && self.store.is_some()
    }

    /// Reopens the database in the background.
    async fn reopen(&mut self) {
        if let Some(opening) = self.opening.take_if(|opening| opening.is_finished()) {
            match opening.await {
                Ok(Ok(store)) => self.reopened(store),
                Ok(Err(error)) => self.failed(&error.to_string()),
                Err(_) => self.failed("it cannot be opened"),
            }
        } else if self.opening.is_some() {
            // Poll the attempt again soon.
            self.due.reopen();
        } else if self.due.reopen.is_some_and(|due| Instant::now() >= due) {
            self.opening = Some(tokio::spawn(self.connect()));
            self.due.reopen();
        }
    }

    /// Opens the database and registers this process in it.
    pub(super) fn connect(&self) -> impl Future<Output = Result<Store, LedgerError>> + use<> {
        let opening = Store::open(self.plan.target.clone(), self.plan.purpose, Arc::clone(&self.home.node));
        let opening = timeout(OPENING, async move {
            let mut store = opening.await?;
            store.heartbeat().await?;
            // What a lost connection of this process has put off.
            store.sum_up_own().await?;
            Ok(store)
        });
        async move { opening.await.unwrap_or_else(|_| Err(LedgerError::Open("database timed out".to_owned()))) }
    }

    /// Handles a reopened database.
    fn reopened(&mut self, store: Store) {
        self.store = Some(store);
        self.due.reopen = None;
        self.loud = [None; 3];
        self.shared.metrics.ledger.up.set(1);
        tracing::info!("ledger: database available");
    }

    /// Stores a part of the rows that wait. Returns true if there are more and they can be stored now.
    async fn release(&mut self) -> bool {
        if self.held.is_empty() || (self.store.is_none() && !self.held.is_due()) {
            return false;
        }
        let (rows, cells) = self.held.take(BATCH);
        let batch = Batch { rows, cells, fresh: 0 };
        let written = match self.store.as_mut() {
            Some(store) => {
                let written = timeout(STEP, store.replay(&batch.rows)).await;
                self.judge(written)
            }
            None => false,
        };
        self.settle(batch, written).await && !self.held.is_empty()
    }

    /// Counts what still waits at the end of the process as lost.
    pub(super) fn give_up(&mut self) {
        let lost = finished_among(&self.held.take(usize::MAX).0);
        self.shared.lost(lost);
        if lost > 0 {
            tracing::error!(rows = lost, "ledger: rows are lost; neither the database nor the spill file took them");
        }
    }

    /// Restores rows from the spill file. Returns true if there are more.
    async fn take_back(&mut self) -> bool {
        let Some(spill) = self.plan.spill.as_mut().filter(|spill| !self.restored && !spill.is_absent()) else {
            return false;
        };
        let rows = match spill.first(i64::try_from(BATCH).unwrap_or(i64::MAX)).await {
            Ok(rows) => rows,
            Err(error) => return self.unread(&error),
        };
        if rows.is_empty() {
            self.restored = true;
            return false;
        }
        let Some(store) = self.store.as_mut() else { return false };
        let written = timeout(STEP, store.replay(&rows)).await;
        if !self.judge(written) {
            return false;
        }
        let Some(spill) = &mut self.plan.spill else { return false };
        match spill.remove(&rows).await {
            Ok(()) => {
                tracing::info!(rows = rows.len(), "ledger: restored spilled rows");
                true
            }
            Err(error) => self.unread(&error),
        }
    }

    /// Handles a spill file that cannot be read or emptied: schedules a retry.
    fn unread(&mut self, error: &LedgerError) -> bool {
        if self.may_shout(1) {
            tracing::error!(%error, "ledger: cannot restore rows from the spill file; retrying");
        }
        false
    }

    /// Takes over the rows of earlier processes.
    async fn claim(&mut self) {
        let Some(store) = self.store.as_mut() else { return };
        match store.claim(self.home.before.as_deref()).await {
            Ok(unfinished) => {
                self.claimed = true;
                if unfinished > 0 {
                    tracing::warn!(requests = unfinished, "ledger: a process ended during requests");
                }
            }
            Err(error) => self.failed(&reason(&error)),
        }
    }

    /// Adds what large batches have put off, and the counts of rolled-up refusals.
    pub(super) async fn raise(&mut self) {
        self.due.raise = Instant::now() + RAISING;
        let Some(store) = self.store.as_mut() else { return };
        let more = self.refusals.take();
        let write = async {
            // Before: a row whose count is raised must not be unsummed.
            let added = store.catch_up().await?;
            let raised = if more.is_empty() { Written::default() } else { store.raise(&more).await? };
            Ok::<_, sqlx::Error>(added.and(raised))
        };
        let problem = match timeout(STEP, write).await {
            Ok(Ok(written)) => return self.report(written),
            Ok(Err(error)) => reason(&error),
            Err(_) => "it does not answer in time".to_owned(),
        };
        self.refusals.put_back(more);
        self.failed(&problem);
    }

    /// Writes the heartbeat. After a loss it also shows whether the database takes rows again: while a `strict` ledger
    /// refuses requests, nothing else would write.
    async fn beat(&mut self) {
        self.due.beat = Instant::now() + BEAT;
        let Some(store) = self.store.as_mut() else { return };
        let beaten = match timeout(STEP, store.heartbeat()).await {
            // Other processes may have crashed meanwhile.
            Ok(Ok(())) => {
                self.shared.kept();
                self.claimed = false;
                self.home.before = None;
                return;
            }
            Ok(Err(error)) => reason(&error),
            Err(_) => "it does not answer in time".to_owned(),
        };
        self.failed(&beaten);
    }

    /// Adds an hour that is over to the sums of days and months.
    async fn fold(&mut self) {
        let Some(store) = self.store.as_mut() else { return };
        match timeout(STEP, store.fold()).await {
            Ok(Ok(more)) => self.due.fold = Instant::now() + if more { Duration::ZERO } else { FOLDING },
            Ok(Err(error)) => self.failed(&reason(&error)),
            Err(_) => self.failed("it does not answer in time"),
        }
    }

    /// Deletes a part of the expired rows, if the clock is trusted.
    async fn retain(&mut self) {
        let Some(store) = self.store.as_mut() else { return };
        let clock = &self.shared.clock;
        if clock.wants_witness()
            && let Ok(Ok(Some(told))) = timeout(STEP, store.clock_us()).await
        {
            clock.witness(timestamp(told));
        }
        if !clock.may_delete() {
            self.due.retain = Instant::now() + CLOCK;
            return;
        }
        match timeout(STEP, store.retain(Store::kept_from(self.plan.retention_days))).await {
            Ok(Ok(all)) => {
                // The next part follows after the next batch.
                self.due.retain = Instant::now() + if all { RETENTION } else { TICK };
            }
            Ok(Err(error)) => self.failed(&reason(&error)),
            Err(_) => self.failed("it does not answer in time"),
        }
    }
}
