//! The queue of finished requests between the request path and the worker threads.
//!
//! It is bounded by the number of records ([`CAP`]) and by bytes: every record owns a share of the memory [`Budget`].

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::body_recorder::Body;
use super::budget::{Budget, Share};
use super::header_snapshot::HeaderSnapshot;
use super::record::{Begun, Finished, Kind};
use callsign_telemetry::metrics::Metrics;

/// Maximum number of queued records.
const CAP: usize = 16_384;
/// Minimum time between two log lines about the same kind of problem.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A finished request that is to be written.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) begun: Box<Begun>,
    pub(super) finished: Finished,
    pub(super) request: Body,
    /// `None` if there was no response.
    pub(super) response: Option<(Kind, Body)>,
    /// The headers of OpenRouter's response.
    pub(super) answered: Option<HeaderSnapshot>,
    /// The response headers that the client received.
    pub(super) relayed: Option<HeaderSnapshot>,
    /// The reserved memory of everything except the bodies, which have their own shares.
    pub(super) _share: Share,
}

/// A reason for not archiving a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The memory budget was used up when the request began.
    Memory,
    /// The queue was full.
    Queue,
    /// This record cannot be written, although other files can.
    Disk,
    /// callsign shut down before the record was written.
    Closing,
}

impl Loss {
    /// Returns the `reason` label of metrics and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Queue => "queue",
            Self::Disk => "disk",
            Self::Closing => "closing",
        }
    }
}

/// State that the request path and the worker threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) budget: Budget,
    /// `archive.max_body_bytes`.
    pub(super) most: usize,
    queue: Mutex<Queue>,
    /// Wakes one worker per record. Only workers wait on it, so that `notify_one` cannot wake the sweeper instead.
    wake: Condvar,
    /// Wakes the sweeper and pausing workers when the archive closes.
    closed: Condvar,
    /// True if the latest attempt to write failed.
    down: AtomicBool,
    /// The time of the latest log line of each kind: 0 lost, 1 truncated, 2 failed to write.
    last_logged: Mutex<[Option<Instant>; 3]>,
    /// The number of running workers.
    pub(super) working: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Box<Record>>,
    closing: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
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
            last_logged: Mutex::default(),
            working: watch::Sender::new(0),
        })
    }

    /// Returns true if a request could be archived now: the disk works and the queue has room.
    pub(super) fn has_room(&self) -> bool {
        !self.is_down() && lock(&self.queue).records.len() < CAP
    }

    /// Returns true if the latest attempt to write failed.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Queues a record for the workers. A full queue drops the record and counts it.
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

    /// Waits for the next record. Returns `None` once the queue is closed and empty.
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
            self.wake.wait(&mut queue);
        }
    }

    /// Waits until the archive closes, at most `time`. Returns true if it has closed.
    pub(super) fn wait_for_close(&self, time: Duration) -> bool {
        let mut queue = lock(&self.queue);
        self.closed.wait_while_for(&mut queue, |queue| !queue.closing, time);
        queue.closing
    }

    /// Returns the number of queued records.
    pub(super) fn len(&self) -> usize {
        lock(&self.queue).records.len()
    }

    /// Closes the queue. Workers write what is queued and then stop.
    pub(super) fn close(&self) {
        lock(&self.queue).closing = true;
        self.wake.notify_all();
        self.closed.notify_all();
    }

    /// Records whether the latest attempt to write succeeded.
    pub(super) fn set_up(&self, up: bool) {
        self.down.store(!up, Ordering::Relaxed);
        self.metrics.archive.up.set(i64::from(up));
    }

    /// Counts requests that are not archived.
    pub(super) fn lost(&self, loss: Loss, requests: usize) {
        self.metrics.archive.lost(loss.name(), requests as u64);
        if self.may_log(0) {
            let all = self.metrics.archive.all_lost();
            tracing::warn!(reason = loss.name(), lost = all, "archive: requests are not archived");
        }
    }

    /// Counts a truncated body. `for_memory` is true if the memory budget was the reason, not the body's size.
    pub(super) fn truncated(&self, for_memory: bool) {
        self.metrics.archive.truncated(if for_memory { "memory" } else { "size" });
        if self.may_log(1) {
            tracing::warn!(for_memory, "archive: bodies are truncated");
        }
    }

    /// Counts a failed attempt to write.
    pub(super) fn failed(&self, error: &std::io::Error) {
        self.set_up(false);
        self.metrics.archive.failures.inc();
        if self.may_log(2) {
            tracing::warn!(%error, queued = self.len(), "archive: cannot write; retrying");
        }
    }

    /// Returns true if this kind of problem was not logged within [`LOG_INTERVAL`].
    fn may_log(&self, kind: usize) -> bool {
        let mut last_logged = lock(&self.last_logged);
        let Some(last) = last_logged.get_mut(kind) else { return false };
        let may = last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}
