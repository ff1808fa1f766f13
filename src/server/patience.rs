//! How long a connection may take over what (design, "Speed"; contract, section 5, 408).
//!
//! hyper's own header timer is not enough: a silent connection, half an HTTP/2 preface and a stalled body stay open
//! under it, and it closes idle keep-alive connections. So the stream under hyper is wrapped twice, in [`Patient`] for
//! what the client sends and in [`Unblocked`] for what it takes, and the service reports to the connection's
//! [`Activity`] when a request begins and ends. Bodies of requests are timed in `upload.rs`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::Alarm;

mod patient;
mod unblocked;

pub(super) use patient::{Patient, Protocol};
pub(super) use unblocked::Unblocked;

/// The time-outs of one connection. [`Patience::default`] is what callsign serves with; tests shorten it.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the TLS handshake. 10 s.
    pub handshake: Duration,
    /// From accept (or the end of the handshake) to the first byte. 10 s.
    pub first_byte: Duration,
    /// From the first byte of a request's head, or of the HTTP/2 preface, to its end. 15 s.
    pub head: Duration,
    /// Without a request in flight, after the end of the last response. 120 s: longer than any client's pool keeps a
    /// connection, so that no client writes into one that is just being closed.
    pub idle: Duration,
    /// For a client that takes no byte although there are some to write. 60 s.
    pub blocked: Duration,
    /// For the body of a request.
    pub upload: UploadPatience,
}

/// How slowly a client may send a body. Only time spent waiting for the client counts.
#[derive(Clone, Copy, Debug)]
pub struct UploadPatience {
    /// Without any byte. 30 s.
    pub idle: Duration,
    /// The stretch of waiting over which the rate is taken; it opens with a byte. 10 s.
    pub window: Duration,
    /// What has to come within a window, in bytes per second. 4096.
    pub least_per_second: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_mins(2),
            blocked: Duration::from_mins(1),
            upload: UploadPatience::default(),
        }
    }
}

impl Default for UploadPatience {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30), window: Duration::from_secs(10), least_per_second: 4096 }
    }
}

/// What the reader and the service of one connection tell each other. HTTP/2 runs them in different tasks.
#[derive(Debug)]
pub(super) struct Activity {
    accepted: Instant,
    begun: AtomicU64,
    ended: AtomicU64,
    /// Microseconds from `accepted` to the moment from which idle time counts.
    quiet_after: AtomicU64,
    idle_for_too_long: AtomicBool,
    /// Whether the client has not taken all that there was to write.
    stuck: AtomicBool,
    /// How often the connection's task has been polled.
    turn: AtomicU64,
    /// How often somebody has asked to be told when everything that hyper was given until then has been written; and up
    /// to which of these questions that is so.
    asked: AtomicU64,
    written: AtomicU64,
    asking: Mutex<Vec<Waker>>,
    /// The last upload's timer: the next upload finds it armed and saves a walk through the timer wheel.
    spare_alarm: Mutex<Option<Alarm>>,
}

impl Activity {
    /// The state of a connection that was accepted just now.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            quiet_after: AtomicU64::new(0),
            idle_for_too_long: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            written: AtomicU64::new(0),
            asking: Mutex::default(),
            spare_alarm: Mutex::new(None),
        })
    }

    /// A request's head has been read. The request is in flight until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    /// Whether the connection should be closed, because it was idle for long enough.
    pub(super) fn is_idle_for_too_long(&self) -> bool {
        self.idle_for_too_long.load(Ordering::Relaxed)
    }

    /// A poll of the connection begins: the questions that it answers, if nothing gets stuck in it.
    pub(super) fn asked(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.asked.load(Ordering::Acquire)
    }

    /// The connection has been polled since [`Self::asked`]. hyper writes on until nothing is left or the client takes no
    /// more.
    pub(super) fn polled(&self, asked: u64) {
        if asked == self.written.load(Ordering::Relaxed) || self.stuck.load(Ordering::Relaxed) {
            return;
        }
        self.written.store(asked, Ordering::Release);
        let asking = std::mem::take(&mut *self.asking.lock().unwrap_or_else(PoisonError::into_inner));
        asking.into_iter().for_each(Waker::wake);
    }

    /// A timer, perhaps with an earlier deadline of this connection still on it.
    pub(super) fn take_alarm(&self) -> Alarm {
        self.spare_alarm.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// Keeps a timer for the next upload.
    pub(super) fn keep_alarm(&self, alarm: Alarm) {
        *self.spare_alarm.lock().unwrap_or_else(PoisonError::into_inner) = Some(alarm);
    }

    /// Whether there has been a request.
    pub(super) fn has_begun(&self) -> bool {
        self.requests() > 0
    }

    fn requests(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn in_flight(&self) -> bool {
        self.ended.load(Ordering::Acquire) != self.requests()
    }

    /// Counts idle time from now on.
    fn quiet_now(&self) {
        let micros = u64::try_from(self.accepted.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.quiet_after.store(micros, Ordering::Relaxed);
    }

    fn quiet_since(&self) -> Instant {
        self.accepted + Duration::from_micros(self.quiet_after.load(Ordering::Relaxed))
    }
}

/// One request in flight; travels with its future and then with its response body.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Running {
    /// Asks when everything that hyper was given so far has been written; see [`Self::poll_written`].
    pub(super) fn ask(&self) -> u64 {
        self.0.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the poll of the connection that is going on.
    pub(super) fn turn(&self) -> u64 {
        self.0.turn.load(Ordering::Relaxed)
    }

    /// Ready when it has. The connection has to be polled for that: whoever asks sees to it.
    pub(super) fn poll_written(&self, question: u64, cx: &Context<'_>) -> Poll<()> {
        let mut asking = self.0.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.written.load(Ordering::Acquire) >= question {
            return Poll::Ready(());
        }
        if !asking.iter().any(|waker| waker.will_wake(cx.waker())) {
            asking.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.quiet_now();
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}
