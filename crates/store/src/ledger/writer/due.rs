//! The schedule of the writer's maintenance.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum batching delay. One commit costs about as much as 100 rows, so waiting 20 ms amortises it. Together with
/// the commit it stays well below 50 ms, the longest loss that a crash may cause.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// Time between two attempts to open the database.
const REOPENING: Duration = Duration::from_millis(500);
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

    /// Returns the time at which the writer must wake up even without requests.
    pub(super) fn next(&self, waiting: bool) -> Instant {
        let quiet = waiting.then(|| Instant::now() + TICK);
        let dues = [self.reopen, quiet, Some(self.raise), Some(self.fold), Some(self.beat), Some(self.retain)];
        dues.into_iter().flatten().min().unwrap_or(self.beat)
    }
}
