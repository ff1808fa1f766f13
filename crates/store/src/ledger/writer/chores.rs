//! The writer's maintenance between batches: reopens the database, restores spilled rows, writes sums and deletes old
//! rows. Each step is bounded, so that new rows do not wait long.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::due::{BEAT, TICK};
use super::{BATCH, FOLDING, OPENING, Writer};
use crate::ledger::error::{LedgerError, reason};
use crate::ledger::store::Store;

/// Maximum time of one maintenance step, which delays the next batch.
const BOUND: Duration = Duration::from_secs(2);
/// Time between two searches for expired rows.
const RETENTION: Duration = Duration::from_hours(1);
/// Number of groups at which sums are written early. Writing them is one transaction, which must finish within
/// [`BOUND`] on a slow disk as well.
const FOLDED: usize = 2048;

impl Writer {
    /// Runs the steps that are due. Returns true if more work is ready now.
    pub(super) async fn chores(&mut self) -> bool {
        self.reopen().await;
        if self.store.is_none() {
            return false;
        }
        let more = self.take_back().await;
        if !more && !self.claimed {
            self.claim().await;
        }
        let now = Instant::now();
        let quiet = self.shared.len() == 0 && now >= self.since + TICK;
        if !self.tally.is_empty() && (now >= self.due.fold || quiet || self.tally.len() >= FOLDED) {
            self.fold().await;
        }
        if now >= self.due.beat {
            self.beat().await;
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
                Ok(Ok(store)) => self.reopened(store).await,
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
            Ok(store)
        });
        async move { opening.await.unwrap_or_else(|_| Err(LedgerError::Open("database timed out".to_owned()))) }
    }

    /// Handles a reopened database: first recomputes the sums of this process's rows in `pending`.
    async fn reopened(&mut self, mut store: Store) {
        let counted = loop {
            // The limit applies to each batch. Completed batches stay done.
            match timeout(BOUND, store.recount()).await {
                Ok(Ok(true)) => {}
                other => break other,
            }
        };
        match counted {
            Ok(Ok(_)) => {
                self.store = Some(store);
                self.due.reopen = None;
                self.loud = [None; 2];
                self.shared.metrics.ledger.up.set(1);
                tracing::info!("ledger: database available");
            }
            Ok(Err(error)) => self.failed(&reason(&error)),
            Err(_) => self.failed("it does not answer in time"),
        }
    }

    /// Restores rows from the spill file. Returns true if there are more.
    async fn take_back(&mut self) -> bool {
        let Some(spill) = self.plan.spill.clone().filter(|spill| !spill.is_empty()) else { return false };
        let Some(store) = self.store.as_mut() else { return false };
        let part = match spill.read(self.spilled, BATCH) {
            Ok(part) => part,
            Err(error) => return self.unread(&error),
        };
        if part.damaged > 0 {
            tracing::error!(lines = part.damaged, "ledger: skipped damaged lines of the spill file");
        }
        match timeout(BOUND, store.replay(&part.rows)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.failed(&reason(&error));
                return false;
            }
            Err(_) => {
                self.failed("it does not answer in time");
                return false;
            }
        }
        self.spilled = part.next;
        if part.more {
            return true;
        }
        match spill.clear(part.next) {
            Ok(true) => {
                tracing::info!("ledger: restored all spilled rows");
                false
            }
            Ok(false) => true,
            Err(error) => self.unread(&error),
        }
    }

    /// Handles a spill file that cannot be read or emptied: schedules a retry.
    fn unread(&mut self, error: &std::io::Error) -> bool {
        if self.may_shout(1) {
            tracing::error!(%error, "ledger: cannot restore rows from the spill file; retrying");
        }
        false
    }

    /// Takes over the rows of earlier processes.
    async fn claim(&mut self) {
        let Some(store) = self.store.as_mut() else { return };
        match store.claim(self.home.before.as_deref()).await {
            Ok(claimed) => {
                self.claimed = true;
                if claimed.unfinished > 0 {
                    tracing::warn!(
                        requests = claimed.unfinished,
                        "ledger: a process ended during requests; `callsign reconcile` can find their cost"
                    );
                }
            }
            Err(error) => self.failed(&reason(&error)),
        }
    }

    /// Writes the sums in memory to the tables.
    pub(super) async fn fold(&mut self) {
        self.due.fold = Instant::now() + FOLDING;
        let Some(store) = self.store.as_mut().filter(|_| !self.tally.is_empty()) else { return };
        match timeout(BOUND, store.fold(&self.tally)).await {
            Ok(Ok(collisions)) => {
                self.tally.clear();
                if collisions > 0 {
                    self.shared.metrics.ledger.collisions.inc_by(collisions as u64);
                    tracing::warn!(
                        users = collisions,
                        "users share one identifier with others: OpenRouter cannot tell them apart; see \
                         /api/v1/admin/user-mapping/statistics"
                    );
                }
            }
            Ok(Err(error)) => self.failed(&reason(&error)),
            Err(_) => self.failed("it does not answer in time"),
        }
    }

    async fn beat(&mut self) {
        self.due.beat = Instant::now() + BEAT;
        let Some(store) = self.store.as_mut() else { return };
        let beaten = match timeout(BOUND, store.heartbeat()).await {
            // Other processes may have crashed meanwhile.
            Ok(Ok(())) => {
                self.claimed = false;
                self.home.before = None;
                return;
            }
            Ok(Err(error)) => reason(&error),
            Err(_) => "it does not answer in time".to_owned(),
        };
        self.failed(&beaten);
    }

    /// Deletes a part of the expired rows.
    async fn retain(&mut self) {
        let Some(store) = self.store.as_mut() else { return };
        match timeout(BOUND, store.retain(Store::kept_from(self.plan.retention_days))).await {
            Ok(Ok(all)) => {
                // The next part follows after the next batch.
                self.due.retain = Instant::now() + if all { RETENTION } else { TICK };
            }
            Ok(Err(error)) => self.failed(&reason(&error)),
            Err(_) => self.failed("it does not answer in time"),
        }
    }
}
