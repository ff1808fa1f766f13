//! Between the request path and the writer: one cell per request, pushed once when it begins. The writer looks at the
//! cell when it comes round: a request that has ended by then costs one insert. One that has not is written as begun and
//! pushes itself again when there is more to say, so that nobody walks over what is in flight.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;

use super::context::Contexts;
use super::names::{Known, Name};
use super::record::{Begun, Finished};
use super::row::Row;
use crate::config::Mode;
use crate::observe::Metrics;

/// Cells that may wait: beyond that, what ends is lost loudly rather than held in memory or waited for.
pub(super) const CAP: usize = 65_536;

/// What the request path and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) mode: Mode,
    pub(super) metrics: Arc<Metrics>,
    /// The names of earlier requests.
    pub(super) names: Known,
    queue: Mutex<Vec<Arc<Cell>>>,
    /// The writer waits for work.
    idle: AtomicBool,
    /// Something waits that must not.
    urgent: AtomicBool,
    /// No more will come.
    closing: AtomicBool,
    /// A row was lost and none has been written since.
    losing: AtomicBool,
    /// Wakes the writer.
    pub(super) wake: Notify,
    /// Notified when the writer has ended.
    pub(super) ended: tokio::sync::watch::Sender<bool>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) shared: Arc<Shared>,
    state: Mutex<State>,
}

/// What is known of it.
#[derive(Debug)]
pub(super) struct State {
    /// Taken by the writer when it has ended.
    pub(super) begun: Option<Begun>,
    generation: Option<Name>,
    finished: Option<Finished>,
    /// It is in the queue, or with the writer for its next turn.
    queued: bool,
    /// It was written as begun.
    noted: bool,
    /// Its row is where it should be, or given up.
    settled: bool,
    waker: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(mode: Mode, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            mode,
            metrics,
            names: Known::default(),
            queue: Mutex::new(Vec::with_capacity(1024)),
            idle: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            losing: AtomicBool::new(false),
            wake: Notify::new(),
            ended: tokio::sync::watch::Sender::new(false),
        })
    }

    /// Whether it was pushed; not when too many wait already.
    fn push(&self, cell: &Arc<Cell>, urgent: bool) -> bool {
        let mut queue = lock(&self.queue);
        if queue.len() >= CAP {
            return false;
        }
        queue.push(Arc::clone(cell));
        drop(queue);
        // The writer says that it is idle before it looks into the queue a last time: one of the two sees the other.
        if urgent {
            self.hurry();
        } else if self.idle.load(Ordering::SeqCst) && self.idle.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        true
    }

    /// Has the writer come at once. Whoever finds it hurrying already has come before it looks into the queue.
    fn hurry(&self) {
        if !self.urgent.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// What waits, `most` of it, the first come first.
    pub(super) fn drain(&self, most: usize) -> Vec<Arc<Cell>> {
        let mut queue = lock(&self.queue);
        if queue.len() > most {
            return queue.drain(..most).collect();
        }
        // Whoever pushes from now on finds it unset, and wakes.
        self.urgent.store(false, Ordering::SeqCst);
        let fresh = Vec::with_capacity(queue.len().max(64));
        std::mem::replace(&mut *queue, fresh)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.queue).len()
    }

    /// The writer is about to wait: whether it may.
    pub(super) fn rest(&self) -> bool {
        self.idle.store(true, Ordering::SeqCst);
        let may = self.len() == 0 && !self.is_closing();
        if !may {
            self.stir();
        }
        may
    }

    /// The writer waits no longer.
    pub(super) fn stir(&self) {
        self.idle.store(false, Ordering::SeqCst);
    }

    /// Whether something waits that must not.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst) || self.is_closing()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    pub(super) fn is_losing(&self) -> bool {
        self.losing.load(Ordering::Relaxed)
    }

    /// Rows have reached neither database nor spill file.
    pub(super) fn lost(&self, rows: u64) {
        if rows > 0 {
            self.losing.store(true, Ordering::Relaxed);
            self.metrics.ledger.lost.inc_by(rows);
        }
    }

    /// Rows have reached one of them.
    pub(super) fn kept(&self) {
        self.losing.store(false, Ordering::Relaxed);
    }
}

impl Cell {
    /// A request that has just begun, in the queue.
    pub(super) fn begin(shared: &Arc<Shared>, begun: Begun) -> Arc<Self> {
        let state = State {
            begun: Some(begun),
            generation: None,
            finished: None,
            queued: true,
            noted: false,
            settled: false,
            waker: None,
        };
        let cell = Arc::new(Self { shared: Arc::clone(shared), state: Mutex::new(state) });
        if !shared.push(&cell, false) {
            cell.state().queued = false;
        }
        cell
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Notes its generation.
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

    /// Notes its end.
    pub(super) fn finish(self: &Arc<Self>, finished: Finished) {
        let mut state = self.state();
        state.finished = Some(finished);
        let urgent = self.shared.mode == Mode::Strict;
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
            self.settle();
        }
    }

    /// Whether it runs and no row says so yet: it can stay with the writer for another turn, as if it were in the queue.
    pub(super) fn may_wait(&self) -> bool {
        let state = self.state();
        state.finished.is_none() && !state.noted
    }

    /// The writer has taken it out of the queue: its row, with all that is known, and whether it was taken before. When it
    /// has ended, for the last time.
    pub(super) fn take(&self, contexts: &mut Contexts, node: &Arc<str>) -> Option<(Row, bool)> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.queued = false;
        let again = std::mem::replace(&mut state.noted, true);
        let Some(finished) = state.finished.take() else {
            let begun = state.begun.as_ref()?;
            let context = contexts.of(&begun.names, begun.began_us);
            return Some((Row::new(begun, state.generation.clone(), None, node, context), again));
        };
        let (begun, generation) = (state.begun.take()?, state.generation.take());
        drop(guard);
        let context = contexts.of(&begun.names, begun.began_us);
        Some((Row::new(&begun, generation, Some(finished), node, context), again))
    }

    /// Its row is where it should be, or given up: nobody need wait any longer.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.settled = true;
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    /// Whether nobody need wait; otherwise this one is woken then.
    pub(super) fn is_settled(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        if !state.settled && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        state.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{begun, finished};

    #[test]
    fn a_request_waits_for_its_row_while_it_runs_and_none_is_written() {
        let shared = Shared::new(Mode::Fast, Arc::new(Metrics::new()));
        let (mut contexts, node) = (Contexts::default(), Arc::from("node"));
        let mut taken = |cell: &Cell| cell.take(&mut contexts, &node).map(|(row, again)| (row.ended.is_some(), again));
        let short = Cell::begin(&shared, begun(1));
        assert!(short.may_wait());
        short.finish(finished());
        assert!(!short.may_wait());
        assert_eq!(taken(&short), Some((true, false)), "one row, which was never there");
        let long = Cell::begin(&shared, begun(2));
        assert_eq!(taken(&long), Some((false, false)));
        assert!(!long.may_wait(), "it is written as begun");
        long.finish(finished());
        assert_eq!(taken(&long), Some((true, true)));
    }

    #[test]
    fn what_has_piled_up_is_taken_in_parts_and_stays_urgent_until_the_last() {
        let shared = Shared::new(Mode::Strict, Arc::new(Metrics::new()));
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
