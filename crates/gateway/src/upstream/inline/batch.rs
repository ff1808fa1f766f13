//! Tells a request whether others are ready on the same thread.
//!
//! The requests that a thread sends between two waits for events form a batch. A request of a batch lets the others go
//! first, so that their writes follow one another: the kernel then wakes the upstream's process less often. A request
//! that is alone would only ask for events once more, in vain (docs/PERFORMANCE.md, "Pools").

use parking_lot::Mutex;
use tokio::runtime::Handle;

/// The batches of one runtime thread.
#[derive(Debug, Default)]
pub(super) struct Batches(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The number of the thread's waits before the batch began.
    waits: u64,
    /// Requests of this batch.
    requests: u64,
    /// True if the batch before had more than one request.
    follows_several: bool,
}

impl Batches {
    /// Counts a request of this thread. Returns true if others are ready too: some of this batch were counted before
    /// it, or the batch before had several.
    pub(super) fn add(&self) -> bool {
        let waits = Handle::try_current().map_or(0, |runtime| runtime.metrics().worker_park_count(0));
        self.0.lock().add(waits)
    }
}

impl Counts {
    fn add(&mut self, waits: u64) -> bool {
        if self.waits != waits {
            *self = Self { waits, requests: 0, follows_several: self.requests > 1 };
        }
        self.requests += 1;
        self.follows_several || self.requests > 1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_has_company_in_its_batch_or_had_it_in_the_last() {
        let mut counts = Counts::default();
        let seen: Vec<bool> = [1, 2, 3, 3, 3, 7, 8, 8, 9].into_iter().map(|waits| counts.add(waits)).collect();
        assert_eq!(seen, [false, false, false, true, true, true, false, true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_when_the_thread_waits() {
        let batches = Batches::default();
        let wait = || tokio::time::sleep(Duration::from_secs(1));
        assert!(!batches.add());
        wait().await;
        assert!(!batches.add(), "alone after a wait");
        tokio::task::yield_now().await;
        assert!(batches.add(), "a yield is no wait");
        wait().await;
        assert!(batches.add(), "the batch before had two");
        wait().await;
        assert!(!batches.add());
    }
}
