//! The writer thread. It takes queued requests and writes them to the database, or else to the spill file. Requests do
//! not wait for it, except the end of a response in `strict` mode.

mod chores;
mod due;
mod held;
mod refusals;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use self::due::{Due, TICK};
use self::held::Held;
use self::refusals::Refusals;
use super::engine::{Purpose, Target};
use super::error::{LedgerError, reason};
use super::grain::now_us;
use super::home::Home;
use super::queue::{Cell, Shared};
use super::row::Row;
use super::spill::Spill;
use super::store::{Store, Written};
use crate::ledger::settings::Mode;

/// Maximum rows per batch. A slow disk can write and sum this many within [`BOUND`].
const BATCH: usize = 1024;
/// Maximum time for writing a batch to the database. Then it goes to the spill file.
const BOUND: Duration = Duration::from_millis(500);
/// [`BOUND`] in `strict` mode. A response waits at most two seconds, and the rest is for the spill file.
const STRICT_BOUND: Duration = Duration::from_millis(1200);
/// Maximum time for opening the database.
const OPENING: Duration = Duration::from_secs(5);
/// Interval at which counts of refusals are written.
const RAISING: Duration = Duration::from_secs(1);
/// Maximum time at shutdown for writing spilled rows to the database.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Minimum time between two log lines about the same kind of problem.
const LOUD: Duration = Duration::from_mins(1);

/// The destinations of rows.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) purpose: Purpose,
    pub(super) spill: Option<Spill>,
    pub(super) retention_days: u32,
}

/// The state of the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    plan: Plan,
    home: Home,
    /// `None` while the database is unavailable.
    store: Option<Store>,
    /// A running attempt to open the database.
    opening: Option<JoinHandle<Result<Store, LedgerError>>>,
    refusals: Refusals,
    due: Due,
    held: Held,
    /// Requests that were still running when dequeued. They wait for one more batch, since most have ended by then and
    /// cost one write instead of two.
    young: Vec<Arc<Cell>>,
    /// Start of the next batch's delay: the end of the previous batch, or the arrival of its first row.
    since: Instant,
    /// True once the spill file is known to be empty.
    restored: bool,
    /// True once rows of earlier processes have been taken over.
    claimed: bool,
    /// Time of the latest log line: 0 database failures, 1 losses, 2 refused values.
    loud: [Option<Instant>; 3],
}

/// The rows of a batch, and the cells to notify.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    cells: Vec<Arc<Cell>>,
    /// The first `fresh` rows were not written before.
    fresh: usize,
}

impl Batch {
    fn push(&mut self, row: Row, cell: Arc<Cell>) {
        self.rows.push(row);
        self.cells.push(cell);
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, plan: Plan, home: Home) -> Self {
        Self {
            shared,
            plan,
            home,
            store: None,
            opening: None,
            refusals: Refusals::default(),
            due: Due::default(),
            held: Held::default(),
            young: Vec::new(),
            since: Instant::now(),
            restored: false,
            claimed: false,
            loud: [None; 3],
        }
    }

    /// Runs until the ledger is closed. Sends to `opened` whether the database could be opened. In `fast` mode a
    /// failure to open is not an error.
    pub(super) async fn run(mut self, opened: mpsc::Sender<Result<(), LedgerError>>) {
        match self.open().await {
            Ok(()) => {}
            Err(error) if self.shared.mode == Mode::Strict => {
                // Fails only if the receiver has given up.
                let _gone = opened.send(Err(error));
                return;
            }
            Err(error) => self.failed(&error.to_string()),
        }
        let _gone = opened.send(Ok(()));
        loop {
            let closing = self.shared.is_closing();
            let batch = self.gather(closing);
            if !batch.rows.is_empty() {
                self.keep(batch).await;
            } else if closing {
                break;
            }
            if !self.chores().await {
                self.rest().await;
            }
        }
        self.end().await;
        let shared = Arc::clone(&self.shared);
        // The slot of the data directory is free for the next ledger once the end is known.
        drop(self);
        shared.ended.send_replace(true);
    }

    /// Opens the database and takes over the rows of earlier processes.
    async fn open(&mut self) -> Result<(), LedgerError> {
        self.store = Some(self.connect().await?);
        self.shared.metrics.ledger.up.set(1);
        self.chores().await;
        Ok(())
    }

    /// Waits for work, and then for the batching delay.
    async fn rest(&mut self) {
        if self.shared.rest() {
            let until = self.due.next(!self.young.is_empty(), self.store.is_some());
            let woken = timeout_at(until, self.shared.wake.notified()).await.is_ok();
            if woken && self.young.is_empty() {
                self.since = Instant::now();
            }
            self.shared.stir();
        }
        let waiting = self.shared.len();
        if !self.shared.is_urgent() && (1..BATCH).contains(&waiting) {
            let _either = timeout_at(self.since + TICK, self.shared.wake.notified()).await;
        }
    }

    /// Takes queued requests as a batch. When closing, running requests are included.
    fn gather(&mut self, closing: bool) -> Batch {
        let mut cells = std::mem::take(&mut self.young);
        let met = cells.len();
        cells.append(&mut self.shared.drain(BATCH));
        if (1..BATCH).contains(&(cells.len() - met)) {
            // If more than a batch is queued, the rest is not delayed again.
            self.since = Instant::now();
        }
        let (mut batch, mut again) = (Batch::default(), Batch::default());
        batch.rows.reserve(cells.len());
        batch.cells.reserve(cells.len());
        for (number, cell) in cells.into_iter().enumerate() {
            if number >= met && !closing && cell.may_wait() {
                self.young.push(cell);
                continue;
            }
            match cell.take(&self.home.node) {
                Some((mut row, false)) => {
                    if self.refusals.absorb(&mut row) {
                        cell.settle(true);
                    } else {
                        batch.push(row, cell);
                    }
                }
                Some((row, true)) => again.push(row, cell),
                None => {}
            }
        }
        batch.fresh = batch.rows.len();
        batch.rows.append(&mut again.rows);
        batch.cells.append(&mut again.cells);
        let queued = batch.rows.len() + self.young.len() + self.shared.len();
        self.shared.metrics.ledger.queue.set(i64::try_from(queued).unwrap_or(i64::MAX));
        batch
    }

    /// Stores a batch in the database, or else in the spill file.
    async fn keep(&mut self, batch: Batch) {
        let oldest = batch.rows.iter().filter_map(ended_us).min();
        let written = self.write(&batch.rows, batch.fresh).await;
        self.settle(batch, written).await;
        if let Some(oldest) = oldest {
            self.shared.metrics.ledger.lag(now_us() - oldest);
        }
    }

    /// Spills the rows if they are not `written`. Releases the responses whose rows are stored, and holds the other rows.
    /// Returns true if all are stored.
    async fn settle(&mut self, batch: Batch, written: bool) -> bool {
        let left = if written {
            self.shared.metrics.ledger.rows.inc_by(finished_among(&batch.rows));
            Vec::new()
        } else {
            self.spill(&batch.rows).await
        };
        let mut lost = 0;
        for (number, (row, cell)) in batch.rows.into_iter().zip(&batch.cells).enumerate() {
            let has_ended = row.ended.is_some();
            if left.binary_search(&number).is_ok() {
                if !self.held.push(row, cell) && has_ended {
                    lost += 1;
                    cell.settle(false);
                }
            } else if has_ended && cell.is_awaited() {
                cell.settle(true);
            }
        }
        self.shared.lost(lost);
        self.shared.metrics.ledger.held.set(i64::try_from(self.held.len()).unwrap_or(i64::MAX));
        if self.held.is_empty() {
            self.shared.kept();
        } else if !left.is_empty() {
            self.held.put_off();
            self.shared.holding();
        }
        left.is_empty()
    }

    /// Writes rows to the database. Returns false if it is unavailable or too slow.
    async fn write(&mut self, rows: &[Row], fresh: usize) -> bool {
        let bound = if self.shared.mode == Mode::Strict { STRICT_BOUND } else { BOUND };
        let Some(store) = self.store.as_mut() else { return false };
        let written = timeout(bound, store.write(rows, fresh)).await;
        self.judge(written)
    }

    /// Handles the result of a write. Returns true if the rows are in the database.
    fn judge(&mut self, written: Result<Result<Written, sqlx::Error>, Elapsed>) -> bool {
        match written {
            Ok(Ok(written)) => {
                self.report(written);
                true
            }
            Ok(Err(error)) => {
                self.failed(&reason(&error));
                false
            }
            Err(_) => {
                self.failed("it does not answer in time");
                false
            }
        }
    }

    /// Reports what is unusual about a successful write.
    fn report(&mut self, written: Written) {
        let metrics = &self.shared.metrics.ledger;
        metrics.collisions.inc_by(written.collisions as u64);
        metrics.rejected.inc_by(written.rejected as u64);
        if written.collisions > 0 {
            tracing::warn!(
                users = written.collisions,
                "users share one identifier with others: OpenRouter cannot tell them apart; see \
                 /api/v1/admin/user-mapping/statistics"
            );
        }
        if written.rejected > 0 && self.may_shout(2) {
            tracing::error!(
                rows = written.rejected,
                "ledger: the database refused values; rows are stored without names"
            );
        }
    }

    /// Writes rows to the spill file. Returns the numbers of those that it did not take.
    async fn spill(&mut self, rows: &[Row]) -> Vec<usize> {
        let problem = match &mut self.plan.spill {
            Some(spill) => match spill.append(rows).await {
                Ok(refused) => {
                    self.restored = false;
                    self.shared.metrics.ledger.spilled.inc_by((rows.len() - refused.len()) as u64);
                    if refused.is_empty() {
                        return refused;
                    }
                    return self.unstored("it refuses values", refused);
                }
                Err(error) => error.to_string(),
            },
            None => "there is no data directory for one".to_owned(),
        };
        self.unstored(&problem, (0..rows.len()).collect())
    }

    /// Reports rows that neither the database nor the spill file takes. Returns their numbers.
    fn unstored(&mut self, problem: &str, rows: Vec<usize>) -> Vec<usize> {
        if self.may_shout(1) {
            let (waiting, lost) = (self.held.len() + rows.len(), self.shared.metrics.ledger.lost.get());
            tracing::error!(
                problem,
                waiting,
                lost,
                "ledger: cannot write to the database or the spill file; rows wait in memory"
            );
        }
        rows
    }

    /// Handles a database failure: drops the connection, because the state of the last transaction is unknown.
    fn failed(&mut self, problem: &str) {
        self.store = None;
        self.due.reopen();
        self.shared.metrics.ledger.failures.inc();
        self.shared.metrics.ledger.up.set(0);
        if self.may_shout(0) {
            tracing::error!(problem, "ledger: database unavailable; writing rows to the spill file");
        }
    }

    /// Returns true if this kind of problem was not logged recently.
    fn may_shout(&mut self, kind: usize) -> bool {
        let Some(last) = self.loud.get_mut(kind) else { return false };
        let may = last.is_none_or(|last| last.elapsed() >= LOUD);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// Writes counts of refusals, restores spilled rows while there is time, and closes the database.
    async fn end(&mut self) {
        let until = Instant::now() + LAST_WORDS;
        self.raise().await;
        if !self.refusals.is_empty() {
            let rows: Vec<_> = self.refusals.take().into_iter().map(|more| more.row).collect();
            let left = self.spill(&rows).await.len() as u64;
            self.shared.lost(left);
        }
        self.held.hurry();
        while Instant::now() < until && self.chores().await {}
        self.give_up();
        if let Some(store) = self.store.take() {
            let _closed_anyway = timeout(BOUND, store.close()).await;
        }
        if let Some(spill) = &mut self.plan.spill {
            spill.close().await;
        }
    }
}

/// Returns the number of finished rows.
fn finished_among(rows: &[Row]) -> u64 {
    rows.iter().filter(|row| row.ended.is_some()).count() as u64
}

fn ended_us(row: &Row) -> Option<i64> {
    let duration = row.ended.as_ref()?.duration_us;
    Some(row.begun.began_us.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX)))
}
