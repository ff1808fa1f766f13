//! The writer thread. It takes queued requests and writes them to the database, or else to the spill file. Requests do
//! not wait for it, except the end of a response in `strict` mode.

mod chores;
mod due;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use self::due::{Due, TICK};
use super::context::Contexts;
use super::engine::{Purpose, Target};
use super::error::{LedgerError, reason};
use super::grain::now_us;
use super::home::Home;
use super::queue::{Cell, Shared};
use super::row::Row;
use super::spill::{Mark, Spill};
use super::store::{Store, Written};
use super::tally::Tally;
use crate::ledger::settings::Mode;

/// Maximum rows per batch. A slow disk can write and sum this many within [`BOUND`].
const BATCH: usize = 1024;
/// Maximum time for writing a batch to the database. Then it goes to the spill file.
const BOUND: Duration = Duration::from_millis(500);
/// [`BOUND`] in `strict` mode. A response waits at most two seconds, and the rest is for the spill file.
const STRICT_BOUND: Duration = Duration::from_millis(1200);
/// Maximum time for opening the database.
const OPENING: Duration = Duration::from_secs(5);
/// Interval at which sums are written to the tables.
const FOLDING: Duration = Duration::from_secs(1);
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
    /// The sums of this process's rows in `pending`.
    tally: Tally,
    contexts: Contexts,
    due: Due,
    /// Requests that were still running when dequeued. They wait for one more batch, since most have ended by then and
    /// cost one write instead of two.
    young: Vec<Arc<Cell>>,
    /// Start of the next batch's delay: the end of the previous batch, or the arrival of its first row.
    since: Instant,
    /// Position in the spill file of the next rows to restore.
    spilled: Mark,
    /// True once rows of earlier processes have been taken over.
    claimed: bool,
    /// Time of the latest log line: 0 database failures, 1 losses.
    loud: [Option<Instant>; 2],
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
            tally: Tally::default(),
            contexts: Contexts::default(),
            due: Due::default(),
            young: Vec::new(),
            since: Instant::now(),
            spilled: Mark::default(),
            claimed: false,
            loud: [None; 2],
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
            let until = self.due.next(!self.tally.is_empty() || !self.young.is_empty());
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
            match cell.take(&mut self.contexts, &self.home.node) {
                Some((row, false)) => batch.push(row, cell),
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
        let Batch { rows, cells, fresh } = batch;
        let finished = rows.iter().filter(|row| row.ended.is_some());
        let oldest = finished.clone().filter_map(ended_us).min();
        let finished = finished.count() as u64;
        let written = match self.write(&rows, fresh).await {
            Some(written) => {
                self.shared.metrics.ledger.rows.inc_by(finished);
                if written == Written::Pending {
                    for row in &rows {
                        self.tally.add(row);
                    }
                }
                true
            }
            None => self.spill(&rows, finished),
        };
        if written {
            self.shared.kept();
        }
        if let Some(oldest) = oldest {
            self.shared.metrics.ledger.lag(now_us() - oldest);
        }
        if self.shared.mode == Mode::Strict {
            for (row, cell) in rows.iter().zip(&cells) {
                if row.ended.is_some() {
                    cell.settle();
                }
            }
        }
    }

    /// Writes rows to the database. `None` if it is unavailable or too slow.
    async fn write(&mut self, rows: &[Row], fresh: usize) -> Option<Written> {
        let bound = if self.shared.mode == Mode::Strict { STRICT_BOUND } else { BOUND };
        let written = timeout(bound, self.store.as_mut()?.write(rows, fresh)).await;
        match written {
            Ok(Ok(written)) => Some(written),
            Ok(Err(error)) => {
                self.failed(&reason(&error));
                None
            }
            Err(_) => {
                self.failed("it does not answer in time");
                None
            }
        }
    }

    /// Writes rows to the spill file. Returns false if that is impossible.
    fn spill(&mut self, rows: &[Row], finished: u64) -> bool {
        let problem = match self.plan.spill.as_ref().map(|spill| spill.append(rows)) {
            Some(Ok(())) => {
                self.shared.metrics.ledger.spilled.inc_by(rows.len() as u64);
                return true;
            }
            Some(Err(error)) => error.to_string(),
            None => "there is no data directory for one".to_owned(),
        };
        self.shared.lost(finished);
        if self.may_shout(1) {
            let lost = self.shared.metrics.ledger.lost.get();
            tracing::error!(problem, lost, "ledger: rows are lost; cannot write to database or spill file");
        }
        false
    }

    /// Handles a database failure: drops the connection and the sums in memory, because the state of the last
    /// transaction is unknown.
    fn failed(&mut self, problem: &str) {
        self.store = None;
        self.tally.clear();
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

    /// Writes the sums, restores spilled rows while there is time, and closes the database.
    async fn end(&mut self) {
        let until = Instant::now() + LAST_WORDS;
        self.fold().await;
        while Instant::now() < until && self.chores().await {}
        if let Some(store) = self.store.take() {
            let _closed_anyway = timeout(BOUND, store.close()).await;
        }
        self.shared.ended.send_replace(true);
    }
}

fn ended_us(row: &Row) -> Option<i64> {
    let duration = row.ended.as_ref()?.duration_us;
    Some(row.began_us.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX)))
}
