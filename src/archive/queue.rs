//! Between the request path and the workers: records that have ended, in order. Bounded in number here, in bytes by the
//! budget that every record has its share of.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::budget::{Budget, Share};
use super::flat::Flat;
use super::record::{Begun, Finished, Kind};
use super::tape::Body;
use crate::observe::Metrics;

/// Records that may wait to be written.
const CAP: usize = 16_384;
/// A problem that goes on is told this often.
const LOUD: Duration = Duration::from_mins(1);

/// One request that has ended.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) begun: Box<Begun>,
    pub(super) finished: Finished,
    pub(super) request: Body,
    /// Absent where there was no answer.
    pub(super) response: Option<(Kind, Body)>,
    /// The headers of OpenRouter's answer, and what was relayed of them.
    pub(super) answered: Option<Flat>,
    pub(super) relayed: Option<Flat>,
    /// What all of this takes but for the bodies.
    pub(super) _share: Share,
}

/// Why a request was not archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The budget was used up when it began.
    Memory,
    /// Too many records wait.
    Queue,
    /// It could not be written.
    Disk,
    /// callsign ended before it was.
    Closing,
}

impl Loss {
    /// Its name in metrics and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Queue => "queue",
            Self::Disk => "disk",
            Self::Closing => "closing",
        }
    }
}

/// What the request path and the workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) budget: Arc<Budget>,
    /// `archive.max_body_bytes`.
    pub(super) most: usize,
    queue: Mutex<Queue>,
    /// Wakes one worker. Nobody else waits for it: a word meant for a worker must not go to a sweeper.
    wake: Condvar,
    /// Told when no more will come.
    closed: Condvar,
    /// The latest attempt to write has failed and none has succeeded since.
    down: AtomicBool,
    /// When each kind of problem was told last.
    told: Mutex<[Option<Instant>; 3]>,
    /// How many workers have not ended.
    pub(super) working: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Box<Record>>,
    closing: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(metrics: Arc<Metrics>, memory: usize, most: usize) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(memory, metrics.archive.memory.clone()),
            metrics,
            most,
            queue: Mutex::default(),
            wake: Condvar::new(),
            closed: Condvar::new(),
            down: AtomicBool::new(false),
            told: Mutex::default(),
            working: watch::Sender::new(0),
        })
    }

    /// Whether a request that is about to begin would be archived, as far as can be known.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        !self.down.load(Ordering::Relaxed) && self.budget.has(bytes) && lock(&self.queue).records.len() < CAP
    }

    /// Hands a record to the workers.
    pub(super) fn push(&self, record: Box<Record>) {
        let mut queue = lock(&self.queue);
        if queue.records.len() >= CAP {
            drop(queue);
            self.lost(Loss::Queue, 1);
            return;
        }
        queue.records.push_back(record);
        self.metrics.archive.queue.inc();
        drop(queue);
        self.wake.notify_one();
    }

    /// The next record; waits for it. `None` when there is none and no more will come.
    pub(super) fn next(&self) -> Option<Box<Record>> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(record) = queue.records.pop_front() {
                self.metrics.archive.queue.dec();
                return Some(record);
            }
            if queue.closing {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits, but for the end; whether it has come.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let queue = lock(&self.queue);
        let waited = self.closed.wait_timeout_while(queue, time, |queue| !queue.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.queue).records.len()
    }

    /// No more will come.
    pub(super) fn close(&self) {
        lock(&self.queue).closing = true;
        self.wake.notify_all();
        self.closed.notify_all();
    }

    /// Notes whether the latest attempt to write has succeeded.
    pub(super) fn set_up(&self, up: bool) {
        self.down.store(!up, Ordering::Relaxed);
        self.metrics.archive.up.set(i64::from(up));
    }

    /// Counts requests that are not archived.
    pub(super) fn lost(&self, loss: Loss, requests: usize) {
        self.metrics.archive.lost(loss.name(), requests as u64);
        if self.may_tell(0) {
            let all = self.metrics.archive.all_lost();
            tracing::warn!(reason = loss.name(), lost = all, "requests are not archived");
        }
    }

    /// Counts bodies that are archived in part.
    pub(super) fn truncated(&self, for_memory: bool) {
        self.metrics.archive.truncated(if for_memory { "memory" } else { "size" });
        if self.may_tell(1) {
            tracing::warn!(for_memory, "bodies are archived in part");
        }
    }

    /// Counts an attempt that failed.
    pub(super) fn failed(&self, error: &std::io::Error) {
        self.set_up(false);
        self.metrics.archive.failures.inc();
        if self.may_tell(2) {
            tracing::warn!(%error, waiting = self.len(), "archives cannot be written; callsign tries on");
        }
    }

    /// Whether a problem of this kind may be told again.
    fn may_tell(&self, kind: usize) -> bool {
        let mut told = lock(&self.told);
        let Some(last) = told.get_mut(kind) else { return false };
        let may = last.is_none_or(|last| last.elapsed() >= LOUD);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}
