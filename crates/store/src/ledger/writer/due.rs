//! The schedule of the writer's maintenance.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum batching delay. One commit costs about as much as 100 rows, so waiting 20 ms amortises it. Together with
/// the commit it stays well below 50 ms, the longest loss that a crash may cause.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// Time between two attempts to open the database.
pub(super) const REOPENING: Duration = Duration::from_millis(500);
/// Maximum time of one maintenance step, which delays the next batch.
pub(super) const STEP: Duration = Duration::from_secs(2);
/// Time between two heartbeats.
pub(super) const BEAT: Duration = Duration::from_mins(1);

/// The times of the next maintenance steps.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) raise: Instant,
    pub(super) fold: Instant,
    pub(super) reopen: Option<Instant>,
    pub(super) beat: Instant,
    pub(super) retain: Instant,
}

impl Default for Due {
    fn default() -> Self {
        let now = Instant::now();
        Self { raise: now, fold: now, reopen: None, beat: now + BEAT, retain: now }
    }
}

impl Due {
    /// Schedules reopening the database.
    pub(super) fn reopen(&mut self) {
        self.reopen = Some(Instant::now() + REOPENING);
    }

    /// Returns the time at which the writer must wake up even without requests. `waiting`: requests wait for the next
    /// batch. `open`: the database is open; without it no step is due but reopening.
    pub(super) fn next(&self, waiting: bool, open: bool) -> Instant {
        let quiet = waiting.then(|| Instant::now() + TICK);
        let steps = [self.raise, self.fold, self.beat, self.retain].map(|step| Some(step).filter(|_| open));
        let dues = [self.reopen, quiet].into_iter().chain(steps);
        dues.flatten().min().unwrap_or_else(|| Instant::now() + REOPENING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_database_has_no_overdue_steps() {
        let past = Instant::now();
        let mut due = Due { raise: past, fold: past, reopen: None, beat: past, retain: past };
        assert_eq!(due.next(false, true), past);
        assert!(due.next(false, false) > past, "the writer would not rest");
        due.reopen();
        assert_eq!(Some(due.next(false, false)), due.reopen);
        assert!(due.next(true, false) < past + REOPENING);
    }
}
