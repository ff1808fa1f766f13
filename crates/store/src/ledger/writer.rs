//! The writer: one thread that takes what requests have queued and sees to it that it stays. Nothing in here is waited
//! for by a request, but for the end of an answer in `strict` mode.

mod chores;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::context::Contexts;
use super::engine::{Purpose, Target};
use super::error::{LedgerError, reason};
use super::home::Home;
use super::queue::{Cell, Shared};
use super::row::Row;
use super::spill::{Mark, Spill};
use super::store::{Store, Written};
use super::sums::now_us;
use super::tally::Tally;
use crate::ledger::settings::Mode;

/// How long the first of a batch waits for others: a batch costs as much as a hundred rows. With the time of a
/// commit and of the sums once a second it stays well below the 50 ms that a crash may cost.
const TICK: Duration = Duration::from_millis(20);
/// Rows to a batch, fresh ones or back from the spill file: few enough for a slow disk to write and count them in time, whatever has piled up.
const BATCH: usize = 1024;
/// How long a database may take for a batch before it goes to the spill file.
const BOUND: Duration = Duration::from_millis(500);
/// The same where the end of an answer waits: the rest of its two seconds is for the spill file.
const STRICT_BOUND: Duration = Duration::from_millis(1200);
/// How long a database may take to be opened.
const OPENING: Duration = Duration::from_secs(5);
/// Sums are folded so often while requests keep coming, and when none do.
const FOLDING: Duration = Duration::from_secs(1);
/// What is still in the spill file at the end may take so long.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Problems are logged so often.
const LOUD: Duration = Duration::from_mins(1);

/// Where rows go.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) purpose: Purpose,
    pub(super) spill: Option<Spill>,
    pub(super) retention_days: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    plan: Plan,
    home: Home,
    /// `None` while the database does not take anything.
    store: Option<Store>,
    /// The next attempt to open it, under way.
    opening: Option<JoinHandle<Result<Store, LedgerError>>>,
    /// What is in `pending` of this run, counted.
    tally: Tally,
    contexts: Contexts,
    due: chores::Due,
    /// Requests that still ran when they were met the first time. Most have ended by the second, and cost one row instead of two.
    young: Vec<Arc<Cell>>,
    /// When the batch that comes next began to gather: when all before it was taken, or when its first row came.
    since: Instant,
    /// Where in the spill file the next rows are taken from.
    spilled: Mark,
    /// Whether the runs before this one have been taken over from.
    claimed: bool,
    /// When the last problem was logged, with the database and with losses.
    loud: [Option<Instant>; 2],
}

/// Rows, and who is to be told of each.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    cells: Vec<Arc<Cell>>,
    /// How many of the rows, the first ones, were never written before.
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
            due: chores::Due::default(),
            young: Vec::new(),
            since: Instant::now(),
            spilled: Mark::default(),
            claimed: false,
            loud: [None; 2],
        }
    }

    /// Writes until the ledger is closed. `opened` hears whether the database could be opened; in `fast` mode that it
    /// could not is no error.
    pub(super) async fn run(mut self, opened: mpsc::Sender<Result<(), LedgerError>>) {
        match self.open().await {
            Ok(()) => {}
            Err(error) if self.shared.mode == Mode::Strict => {
                // Nobody waits any longer if this fails.
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

    /// Opens the database and takes over what the runs before left.
    async fn open(&mut self) -> Result<(), LedgerError> {
        self.store = Some(self.connect().await?);
        self.shared.metrics.ledger.up.set(1);
        self.chores().await;
        Ok(())
    }

    /// Waits for work; while requests come, for a few of them.
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

    /// What is queued, as rows. At the end what still runs does not wait either.
    fn gather(&mut self, closing: bool) -> Batch {
        let mut cells = std::mem::take(&mut self.young);
        let met = cells.len();
        cells.append(&mut self.shared.drain(BATCH));
        if (1..BATCH).contains(&(cells.len() - met)) {
            // Of more than a batch the rest does not wait once more.
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

    /// Sees to it that a batch stays: in the database, or else in the spill file.
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

    /// Hands rows to the database, if there is one that takes them in time.
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

    /// Hands rows to the spill file, if there is one that takes them.
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
            tracing::error!(problem, lost, "the ledger loses rows: neither database nor spill file takes them");
        }
        false
    }

    /// The database has failed: the connection is given up, and with it what was counted, since nobody knows whether the
    /// last change came through.
    fn failed(&mut self, problem: &str) {
        self.store = None;
        self.tally.clear();
        self.due.reopen();
        self.shared.metrics.ledger.failures.inc();
        self.shared.metrics.ledger.up.set(0);
        if self.may_shout(0) {
            tracing::error!(problem, "the ledger's database fails; rows go to the spill file");
        }
    }

    /// Whether a problem of this kind may be logged again.
    fn may_shout(&mut self, kind: usize) -> bool {
        let Some(last) = self.loud.get_mut(kind) else { return false };
        let may = last.is_none_or(|last| last.elapsed() >= LOUD);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// Folds what was counted, takes back what there is time for, and closes the database.
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
