//! The clock that retention trusts (docs/SPEC.md#clocks). Deleting cannot be undone, so a wall clock that nobody has
//! confirmed must not decide what is old: after a flat battery or a restored snapshot it may be years ahead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Nothing is deleted before this time of running.
const FIRST: Duration = Duration::from_hours(1);
/// A clock that ran this long without a witness is trusted.
const LONG: Duration = Duration::from_hours(48);
/// The largest difference between the clock and a witness.
const DAY_SECONDS: i64 = 86_400;

/// The evidence for and against the wall clock in this run.
#[derive(Debug)]
pub struct TrustedClock {
    started: Instant,
    /// True if the latest witness agreed with the clock, within a day.
    agreed: AtomicBool,
    /// True if the latest witness disagreed.
    disagreed: AtomicBool,
    /// True for tests, which need no hour of running.
    proven: bool,
}

impl Default for TrustedClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            agreed: AtomicBool::new(false),
            disagreed: AtomicBool::new(false),
            proven: false,
        }
    }
}

impl TrustedClock {
    /// Returns a clock that is trusted from the start.
    pub fn proven() -> Self {
        Self { proven: true, ..Self::default() }
    }

    /// Compares the clock (`now`) with the time that somebody else tells, such as the `date` of OpenRouter's answer or
    /// PostgreSQL's clock.
    pub fn witness(&self, now: Timestamp, told: Timestamp) {
        let agrees = now.as_second().abs_diff(told.as_second()) <= DAY_SECONDS.unsigned_abs();
        self.agreed.store(agrees, Ordering::Relaxed);
        self.disagreed.store(!agrees, Ordering::Relaxed);
    }

    /// Returns true if nobody has confirmed the clock yet.
    pub fn wants_witness(&self) -> bool {
        !self.agreed.load(Ordering::Relaxed)
    }

    /// Returns true if the clock may decide what is too old to keep.
    pub fn may_delete(&self) -> bool {
        self.proven || self.may_delete_after(self.started.elapsed())
    }

    fn may_delete_after(&self, running: Duration) -> bool {
        let agreed = self.agreed.load(Ordering::Relaxed);
        let unopposed = !self.disagreed.load(Ordering::Relaxed);
        running >= FIRST && (agreed || (running >= LONG && unopposed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_by_an_unproven_clock() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let hours = Duration::from_hours;
        let clock = TrustedClock::default();
        let may = |running: u64| clock.may_delete_after(hours(running));
        assert_eq!((may(0), may(2), may(47), may(48)), (false, false, false, true), "without a witness");
        clock.witness(now, "2026-11-29T11:00:00Z".parse().unwrap());
        assert_eq!((may(0), may(1)), (false, true), "a witness agrees within a day; never in the first hour");
        clock.witness(now, "2025-07-17T12:00:00Z".parse().unwrap());
        assert_eq!((may(2), may(100)), (false, false), "500 days ahead");
    }
}
