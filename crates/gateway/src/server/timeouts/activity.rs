//! The state that the stream and the service of one connection share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::server::alarm::Alarm;

/// State shared by the stream and the service of one connection. HTTP/2 runs them in different tasks.
#[derive(Debug)]
pub(in crate::server) struct Activity {
    pub(super) accepted: Instant,
    /// Requests begun and ended.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Microseconds from `accepted` to the moment from which idle time counts.
    quiet_after: AtomicU64,
    pub(super) idle_for_too_long: AtomicBool,
    /// True while the client has not taken everything that is ready for it.
    pub(super) stuck: AtomicBool,
    /// Polls of the connection's task.
    pub(super) turn: AtomicU64,
    /// Number of the last requested write check. A write check is done when everything that hyper was given before it
    /// has been written.
    requested: AtomicU64,
    /// Number of the last write check that is done.
    checks_done: AtomicU64,
    /// Tasks that wait for a write check.
    check_wakers: Mutex<Vec<Waker>>,
    /// The last upload's timer, still armed. The next upload uses it again, which saves a walk through the timer wheel.
    spare_alarm: Mutex<Option<Alarm>>,
}

impl Activity {
    /// Creates the state of a connection accepted now.
    pub(in crate::server) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            quiet_after: AtomicU64::new(0),
            idle_for_too_long: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            checks_done: AtomicU64::new(0),
            check_wakers: Mutex::default(),
            spare_alarm: Mutex::new(None),
        })
    }

    /// Counts a request whose head has been read. The request is in flight until the returned guard is dropped.
    pub(in crate::server) fn begin(self: &Arc<Self>) -> InFlightGuard {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    /// Returns true if the idle timeout has passed, so that the connection should be closed.
    pub(in crate::server) fn is_idle_for_too_long(&self) -> bool {
        self.idle_for_too_long.load(Ordering::Relaxed)
    }

    /// Marks the begin of a poll of the connection. Returns the number of the last write check requested before it.
    pub(in crate::server) fn begin_poll(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.requested.load(Ordering::Acquire)
    }

    /// Marks the end of a poll of the connection. hyper writes until nothing is left or the client takes no more; so,
    /// unless the client is stuck, all write checks up to `requested` (from [`Self::begin_poll`]) are done.
    pub(in crate::server) fn end_poll(&self, requested: u64) {
        if requested == self.checks_done.load(Ordering::Relaxed) || self.stuck.load(Ordering::Relaxed) {
            return;
        }
        self.checks_done.store(requested, Ordering::Release);
        let check_wakers = std::mem::take(&mut *self.check_wakers.lock());
        check_wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns a timer, which may still be armed for an earlier deadline of this connection.
    pub(in crate::server) fn take_alarm(&self) -> Alarm {
        self.spare_alarm.lock().take().unwrap_or_default()
    }

    /// Stores a timer for the next upload.
    pub(in crate::server) fn keep_alarm(&self, alarm: Alarm) {
        *self.spare_alarm.lock() = Some(alarm);
    }

    /// Returns true if the connection has had a request.
    pub(in crate::server) fn has_begun(&self) -> bool {
        self.requests() > 0
    }

    pub(super) fn requests(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> bool {
        self.ended.load(Ordering::Acquire) != self.requests()
    }

    /// Restarts the idle time now.
    pub(super) fn quiet_now(&self) {
        let micros = u64::try_from(self.accepted.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.quiet_after.store(micros, Ordering::Relaxed);
    }

    pub(super) fn quiet_since(&self) -> Instant {
        self.accepted + Duration::from_micros(self.quiet_after.load(Ordering::Relaxed))
    }
}

/// Marks one request as in flight. Moves from the request's future to its response body.
#[derive(Debug)]
pub(in crate::server) struct InFlightGuard(Arc<Activity>);

impl InFlightGuard {
    /// Requests a write check of everything that hyper was given so far. Returns its number for [`Self::poll_written`].
    pub(in crate::server) fn request_write_check(&self) -> u64 {
        self.0.requested.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Returns the number of the current poll of the connection.
    pub(in crate::server) fn turn(&self) -> u64 {
        self.0.turn.load(Ordering::Relaxed)
    }

    /// Returns `Ready` when the write check with this number is done. The caller must make sure that the connection is
    /// polled.
    pub(in crate::server) fn poll_written(&self, check: u64, cx: &Context<'_>) -> Poll<()> {
        let mut check_wakers = self.0.check_wakers.lock();
        if self.0.checks_done.load(Ordering::Acquire) >= check {
            return Poll::Ready(());
        }
        if !check_wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            check_wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.quiet_now();
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}
