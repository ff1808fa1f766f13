//! Limits the fetches that tokens with unknown keys trigger: two in quick succession, then one a minute.

use std::time::Duration;

use tokio::time::Instant;

/// Fetches in quick succession.
const SIZE: u32 = 2;
const REFILL: Duration = Duration::from_mins(1);

/// A token bucket of size [`SIZE`] that gets one token per [`REFILL`].
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// The start of the interval that ends with the next refill.
    since: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: SIZE, since: now }
    }

    /// Takes a token. Returns false if there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.left < SIZE && now.duration_since(self.since) >= REFILL {
            self.left += 1;
            self.since += REFILL;
        }
        if self.left == SIZE {
            // Time during which the bucket is full does not count.
            self.since = now;
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_then_one_a_minute() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let taken = |budget: &mut Budget, seconds| budget.take(start + Duration::from_secs(seconds));
        assert!(taken(&mut budget, 0) && taken(&mut budget, 1));
        assert!(!taken(&mut budget, 2) && !taken(&mut budget, 59));
        assert!(taken(&mut budget, 60) && !taken(&mut budget, 61));
        assert!(taken(&mut budget, 130) && !taken(&mut budget, 131));
        assert!(
            taken(&mut budget, 1000) && taken(&mut budget, 1001) && !taken(&mut budget, 1002),
            "never more than two"
        );
    }
}
