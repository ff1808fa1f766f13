//! The memory budget of the archive: all records together, from a request's head until its file is written.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;

/// `archive.max_memory_bytes`, and the bytes in use.
#[derive(Debug)]
pub(super) struct Budget {
    most: i64,
    /// The gauge that `/metrics` shows. It is also the counter that the limit is checked against.
    used: Gauge,
}

/// Bytes of the budget that one owner has reserved. Dropping it returns them.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: i64,
}

/// Converts a size. Sizes beyond `i64` saturate at a value that exceeds every budget and does not overflow when added.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX / 2)
}

impl Budget {
    pub(super) fn new(most: usize, used: Gauge) -> Arc<Self> {
        Arc::new(Self { most: signed(most), used })
    }

    /// Returns an empty share.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }

    /// Returns true if this many bytes are free now.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.used.get().saturating_add(signed(bytes)) <= self.most
    }
}

impl Share {
    /// Reserves more bytes. Returns false, and reserves nothing, if they are not free.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let bytes = signed(bytes);
        let before = self.budget.used.inc_by(bytes);
        if before.saturating_add(bytes) > self.budget.most {
            self.budget.used.dec_by(bytes);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Returns some bytes to the budget, at most all of them.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = signed(bytes).min(self.bytes);
        self.bytes -= bytes;
        self.budget.used.dec_by(bytes);
    }

    /// Returns an empty share of the same budget.
    pub(super) fn sibling(&self) -> Self {
        self.budget.share()
    }

    /// Returns all bytes to the budget.
    pub(super) fn clear(&mut self) {
        self.budget.used.dec_by(std::mem::take(&mut self.bytes));
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
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(60) && !other.grow(41) && other.grow(40));
        assert_eq!(used.get(), 100);
        assert!(!one.grow(1) && !budget.has(1) && budget.has(0));
        one.shrink(10);
        assert_eq!(used.get(), 90);
        drop(one);
        assert_eq!(used.get(), 40);
        other.clear();
        other.clear();
        assert_eq!(used.get(), 0);
        assert!(!other.grow(usize::MAX), "no overflow");
    }
}
