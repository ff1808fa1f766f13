//! The memory budget of the archive: all records together, from a request's head until its file is written. No caller
//! takes all of it (`docs/SPEC.md#fair-shares`).

use std::hash::{Hash, RandomState};
use std::sync::Arc;

use callsign_core::fair_pool::{FairPool, FairShare};
use prometheus_client::metrics::gauge::Gauge;

/// `archive.max_memory_bytes`, and the bytes in use.
#[derive(Debug)]
pub(super) struct Budget {
    pool: Arc<FairPool>,
    /// The gauge that `/metrics` shows.
    used: Gauge,
}

/// Bytes of the budget that one owner has reserved for a caller. Dropping it returns them.
#[derive(Debug)]
pub(super) struct Share {
    share: FairShare,
    used: Gauge,
}

/// Converts a size for the gauge, which is an `i64`.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Budget {
    pub(super) fn new(most: usize, used: Gauge) -> Self {
        Self { pool: FairPool::new(most as u64, RandomState::new()), used }
    }

    /// Returns an empty share of `who`, who gets half of the budget if nobody else has any.
    pub(super) fn share(&self, who: impl Hash) -> Share {
        let share = self.pool.share(who, self.pool.capacity() / 2);
        Share { share, used: self.used.clone() }
    }
}

impl Share {
    /// Returns true if this many bytes are free now.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.share.has_room(bytes as u64)
    }

    /// Reserves more bytes. Returns false, and reserves nothing, if they are not free.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let grown = self.share.grow(bytes as u64).is_ok();
        if grown {
            self.used.inc_by(signed(bytes as u64));
        }
        grown
    }

    /// Returns some bytes to the budget, at most all of them.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let before = self.share.units();
        self.share.shrink(bytes as u64);
        self.used.dec_by(signed(before - self.share.units()));
    }

    /// Returns an empty share of the same caller.
    pub(super) fn sibling(&self) -> Self {
        Self { share: self.share.sibling(), used: self.used.clone() }
    }

    /// Returns all bytes to the budget.
    pub(super) fn clear(&mut self) {
        self.shrink(usize::MAX);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_bytes_are_returned_and_stay_within_the_budget() {
        let used = Gauge::default();
        let budget = Budget::new(100, used.clone());
        let (mut one, mut other, mut third) = (budget.share("ada"), budget.share("bob"), budget.share("eve"));
        assert!(one.grow(40) && !one.grow(20) && one.sibling().grow(10), "half for one caller");
        assert!(other.grow(20) && !other.grow(11) && other.grow(10));
        assert_eq!(used.get(), 70);
        assert!(third.has_room(30) && !third.has_room(31) && third.grow(30), "the first bytes need no share");
        assert!(!third.has_room(1) && third.has_room(0));
        one.shrink(10);
        assert_eq!(used.get(), 90);
        drop(one);
        assert_eq!(used.get(), 60);
        other.clear();
        other.clear();
        assert_eq!(used.get(), 30);
        assert!(!other.grow(usize::MAX), "no overflow");
        drop(third);
        assert_eq!(used.get(), 0);
    }
}
