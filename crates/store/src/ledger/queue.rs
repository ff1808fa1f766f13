//! The queue between the request path and the writer. A request pushes one cell when it begins. If it has finished
//! when the writer reads the cell, it costs one insert. Otherwise it is written as begun, and the cell is pushed again
//! when more is known.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use tokio::sync::Notify;

use super::record::{Begun, Finished, Name};
use super::row::Row;
use crate::ledger::settings::Mode;
use crate::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;

/// Maximum number of queued cells. Requests beyond it are counted as lost and logged.
pub(super) const CAP: usize = 65_536;
/// Maximum bytes of the texts of requests that are not written yet.
const MOST_BYTES: usize = 64 << 20;

/// State that the request path and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) mode: Mode,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<TrustedClock>,
    queue: Mutex<Vec<Arc<Cell>>>,
    /// Bytes of the texts of requests that are queued or in flight.
    bytes: AtomicUsize,
    /// True while the writer waits for work.
    idle: AtomicBool,
    /// True if an entry must be written without the batching delay.
    urgent: AtomicBool,
    /// True once no more cells will be pushed.
    closing: AtomicBool,
    /// True while rows cannot be stored.
    losing: AtomicBool,
    /// Wakes the writer.
    pub(super) wake: Notify,
    /// Becomes true when the writer has ended.
    pub(super) ended: tokio::sync::watch::Sender<bool>,
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) shared: Arc<Shared>,
    /// Bytes of the request's texts.
    bytes: usize,
    state: Mutex<State>,
}

/// The data known of a request.
#[derive(Debug)]
pub(super) struct State {
    /// The writer takes it when the request has ended.
    pub(super) begun: Option<Begun>,
    generation: Option<Name>,
    finished: Option<Finished>,
    /// True while the cell is queued, or is with the writer for its next batch.
    queued: bool,
    /// True if the request was written as begun.
    noted: bool,
    /// True if somebody waits for the row in `fast` mode too.
    awaited: bool,
    /// Set when the row was written (true) or given up (false).
    settled: Option<bool>,
    waker: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Shared {
    pub(super) fn new(mode: Mode, metrics: Arc<Metrics>, clock: Arc<TrustedClock>) -> Arc<Self> {
        Arc::new(Self {
            mode,
            metrics,
            clock,
            queue: Mutex::new(Vec::with_capacity(1024)),
            bytes: AtomicUsize::new(0),
            idle: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            losing: AtomicBool::new(false),
            wake: Notify::new(),
            ended: tokio::sync::watch::Sender::new(false),
        })
    }

    /// Pushes a cell. Returns false if the queue is full.
    fn push(&self, cell: &Arc<Cell>, urgent: bool) -> bool {
        let mut queue = lock(&self.queue);
        if queue.len() >= CAP || self.bytes.load(Ordering::Relaxed) > MOST_BYTES {
            return false;
        }
        queue.push(Arc::clone(cell));
        drop(queue);
        // The writer sets `idle` before its last look into the queue, so either it sees this cell or this thread sees
        // `idle`.
        if urgent {
            self.hurry();
        } else if self.idle.load(Ordering::SeqCst) && self.idle.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        true
    }

    /// Wakes the writer. If `urgent` is already set, the pending wake-up will see this entry.
    fn hurry(&self) {
        if !self.urgent.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Takes up to `most` queued cells, oldest first.
    pub(super) fn drain(&self, most: usize) -> Vec<Arc<Cell>> {
        let mut queue = lock(&self.queue);
        if queue.len() > most {
            return queue.drain(..most).collect();
        }
        // An urgent push after this point wakes the writer again.
        self.urgent.store(false, Ordering::SeqCst);
        let fresh = Vec::with_capacity(queue.len().max(64));
        std::mem::replace(&mut *queue, fresh)
    }

    /// Returns the number of queued cells.
    pub(super) fn len(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Marks the writer as idle. Returns false if there is work, so that it must not wait.
    pub(super) fn rest(&self) -> bool {
        self.idle.store(true, Ordering::SeqCst);
        let may = self.len() == 0 && !self.is_closing();
        if !may {
            self.stir();
        }
        may
    }

    /// Marks the writer as busy.
    pub(super) fn stir(&self) {
        self.idle.store(false, Ordering::SeqCst);
    }

    /// Returns true if an urgent entry is queued.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst) || self.is_closing()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Closes the queue.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    pub(super) fn is_losing(&self) -> bool {
        self.losing.load(Ordering::Relaxed)
    }

    /// Notes that rows cannot be stored now.
    pub(super) fn holding(&self) {
        self.losing.store(true, Ordering::Relaxed);
    }

    /// Counts a response that was released before its row was stored.
    pub(super) fn late(&self) {
        self.holding();
        self.metrics.ledger.late.inc();
    }

    /// Counts rows that reached neither database nor spill file, and never will.
    pub(super) fn lost(&self, rows: u64) {
        if rows > 0 {
            self.losing.store(true, Ordering::Relaxed);
            self.metrics.ledger.lost.inc_by(rows);
        }
    }

    /// Notes that rows reached the database or the spill file.
    pub(super) fn kept(&self) {
        self.losing.store(false, Ordering::Relaxed);
    }
}

impl Cell {
    /// Creates the cell of a new request and queues it.
    pub(super) fn begin(shared: &Arc<Shared>, begun: Begun) -> Arc<Self> {
        let bytes = begun.bytes();
        shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        let state = State {
            begun: Some(begun),
            generation: None,
            finished: None,
            queued: true,
            noted: false,
            awaited: false,
            settled: None,
            waker: None,
        };
        let cell = Arc::new(Self { shared: Arc::clone(shared), bytes, state: Mutex::new(state) });
        if !shared.push(&cell, false) {
            cell.state().queued = false;
        }
        cell
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Records the generation id.
    pub(super) fn answered(self: &Arc<Self>, generation: &str) {
        let mut state = self.state();
        state.generation = Some(generation.into());
        if state.noted && !state.queued {
            state.queued = true;
            drop(state);
            if !self.shared.push(self, false) {
                self.state().queued = false;
            }
        }
    }

    /// Records the request's end. `awaited` is true if somebody waits for the row in `fast` mode too.
    pub(super) fn finish(self: &Arc<Self>, finished: Finished, awaited: bool) {
        let mut state = self.state();
        state.finished = Some(finished);
        state.awaited = awaited;
        let urgent = awaited || self.shared.mode == Mode::Strict;
        if state.queued {
            drop(state);
            if urgent {
                self.shared.hurry();
            }
            return;
        }
        state.queued = true;
        drop(state);
        if !self.shared.push(self, urgent) {
            self.shared.lost(1);
            self.settle(false);
        }
    }

    /// Returns true if the request runs and was not written yet. The writer may then keep it for the next batch.
    pub(super) fn may_wait(&self) -> bool {
        let state = self.state();
        state.finished.is_none() && !state.noted
    }

    /// Returns the row with all known data, and whether the request was written before. Called by the writer for each
    /// dequeued cell; the last call is the one after the request's end.
    pub(super) fn take(&self, node: &Arc<str>) -> Option<(Row, bool)> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.queued = false;
        let again = std::mem::replace(&mut state.noted, true);
        let Some(finished) = state.finished.take() else {
            let begun = state.begun.as_ref()?;
            return Some((Row::new(begun.clone(), state.generation.clone(), None, node), again));
        };
        let (begun, generation) = (state.begun.take()?, state.generation.take());
        drop(guard);
        Some((Row::new(begun, generation, Some(finished), node), again))
    }

    /// Returns true if a response waits for the row.
    pub(super) fn is_awaited(&self) -> bool {
        self.shared.mode == Mode::Strict || self.state().awaited
    }

    /// Marks the row as written or given up, and wakes a waiting response.
    pub(super) fn settle(&self, written: bool) {
        let mut state = self.state();
        state.settled = Some(written);
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    /// Returns true if the row was written, false if it was given up. Before that it registers `waker`.
    pub(super) fn settled(&self, waker: &Waker) -> Option<bool> {
        let mut state = self.state();
        if state.settled.is_none() && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        state.settled
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.shared.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{begun, finished};

    #[test]
    fn a_request_waits_for_its_row_while_it_runs_and_none_is_written() {
        let shared = Shared::new(Mode::Fast, Arc::new(Metrics::new()), Arc::default());
        let node = Arc::from("node");
        let taken = |cell: &Cell| cell.take(&node).map(|(row, again)| (row.ended.is_some(), again));
        let short = Cell::begin(&shared, begun(1));
        assert!(short.may_wait());
        short.finish(finished(), false);
        assert!(!short.may_wait());
        assert_eq!(taken(&short), Some((true, false)), "one row, which was never there");
        let long = Cell::begin(&shared, begun(2));
        assert_eq!(taken(&long), Some((false, false)));
        assert!(!long.may_wait(), "it is written as begun");
        long.finish(finished(), false);
        assert_eq!(taken(&long), Some((true, true)));
    }

    #[test]
    fn what_has_piled_up_is_taken_in_parts_and_stays_urgent_until_the_last() {
        let shared = Shared::new(Mode::Strict, Arc::new(Metrics::new()), Arc::default());
        let cells: Vec<_> = (0..5).map(|number| Cell::begin(&shared, begun(number))).collect();
        shared.hurry();
        let mut taken = Vec::new();
        for (parts, left) in [(2, 3), (2, 1)] {
            taken.extend(shared.drain(parts));
            assert_eq!((shared.len(), shared.is_urgent()), (left, true));
        }
        taken.extend(shared.drain(2));
        assert_eq!((shared.len(), shared.is_urgent()), (0, false));
        assert!(taken.iter().zip(&cells).all(|(taken, cell)| Arc::ptr_eq(taken, cell)) && taken.len() == cells.len());
    }
}
