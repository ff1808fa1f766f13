//! The clock that retention trusts (docs/SPEC.md#clocks). Deleting cannot be undone, so a wall clock that nobody has
//! confirmed must not decide what is old: after a flat battery or a restored snapshot it may be years ahead.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Nothing is deleted before this time of running.
const FIRST: Duration = Duration::from_hours(1);
/// A clock that ran this long without a witness is trusted.
const LONG: Duration = Duration::from_hours(48);
/// The largest difference between the clock and a witness.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(24);
/// Age at which a witness is asked again.
const STALE: Duration = Duration::from_hours(1);

/// The evidence for and against the wall clock in this run.
#[derive(Debug)]
pub struct TrustedClock {
    started: Instant,
    /// The latest witness: the time that it told, and when.
    witness: Mutex<Option<(Timestamp, Instant)>>,
    /// The wall clock at the start.
    first: Timestamp,
    /// True for tests, which need no hour of running.
    proven: bool,
}

impl Default for TrustedClock {
    fn default() -> Self {
        Self { started: Instant::now(), witness: Mutex::new(None), first: Timestamp::now(), proven: false }
    }
}

impl TrustedClock {
    /// Returns a clock that is trusted from the start.
    pub fn proven() -> Self {
        Self { proven: true, ..Self::default() }
    }

    /// Records the time that somebody else tells, such as the `date` of OpenRouter's answer or PostgreSQL's clock.
    pub fn witness(&self, told: Timestamp) {
        *self.witness.lock() = Some((told, Instant::now()));
    }

    /// Returns true if nobody has told the time lately.
    pub fn wants_witness(&self) -> bool {
        self.witness.lock().is_none_or(|(_, at)| at.elapsed() >= STALE)
    }

    /// Returns true if the clock may decide what is too old to keep.
    pub fn may_delete(&self) -> bool {
        self.proven || self.may_delete_after(self.started.elapsed(), Timestamp::now())
    }

    /// Decides after this time of running, when the clock says `now`. The clock may have jumped since a witness spoke, so
    /// it is compared with the time that has passed since.
    fn may_delete_after(&self, running: Duration, now: Timestamp) -> bool {
        match *self.witness.lock() {
            _ if running < FIRST => false,
            Some((told, at)) => is_about(now, told, at.elapsed()),
            None => running >= LONG && is_about(now, self.first, running),
        }
    }
}

/// Returns true if the clock says about `then`, plus the time that has passed since.
fn is_about(now: Timestamp, then: Timestamp, passed: Duration) -> bool {
    let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
    (now.duration_since(then) - passed).abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_by_an_unproven_clock() {
        let hours = |hours: i64| SignedDuration::from_hours(hours);
        let clock = TrustedClock::default();
        let start = clock.first;
        let may =
            |running: u64, shown: i64| clock.may_delete_after(Duration::from_hours(running), start + hours(shown));
        let unjumped = [0, 2, 47, 48].map(|running| may(running, i64::try_from(running).unwrap()));
        assert_eq!(unjumped, [false, false, false, true], "without a witness");
        assert!(!may(48, 48 + 500 * 24), "the clock has jumped since the start");
        clock.witness(start + hours(23));
        assert_eq!((may(0, 0), may(1, 1)), (false, true), "a witness agrees within a day; never in the first hour");
        assert!(!may(2, 500 * 24) && !may(2, -500 * 24), "the clock has jumped since the witness spoke");
        clock.witness(start - hours(500 * 24));
        assert_eq!((may(2, 2), may(100, 100)), (false, false), "500 days ahead");
    }
}
