//! The queue of ended requests whose cost is pending, for the reconciliation inside `serve`
//! (`docs/SPEC.md#reconciliation`). The ledger has the same requests, so that a dropped entry is only found later.

use std::collections::VecDeque;

use callsign_store::ledger::query::Pending;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Maximum number of queued requests, about 4 MB of names at most. The oldest is dropped for a further one.
const MOST: usize = 2048;

/// A request that ended a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCost {
    /// The request.
    pub request: Pending,
    /// True if a budget has its estimate until the cost is found.
    pub has_budget: bool,
}

/// A bounded queue. Adding does not wait.
#[derive(Debug, Default)]
pub struct PendingCosts {
    queue: Mutex<VecDeque<PendingCost>>,
    added: Notify,
}

impl PendingCosts {
    /// Adds a request.
    pub fn add(&self, cost: PendingCost) {
        let mut queue = self.queue.lock();
        if queue.len() >= MOST {
            queue.pop_front();
        }
        queue.push_back(cost);
        drop(queue);
        self.added.notify_one();
    }

    /// Takes all queued requests, oldest first.
    pub fn take(&self) -> VecDeque<PendingCost> {
        std::mem::take(&mut *self.queue.lock())
    }

    /// Waits until a request has been added since the last call.
    pub async fn added(&self) {
        self.added.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use callsign_core::request_id::RequestId;
    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn the_oldest_is_dropped_for_a_further_one() {
        let queue = PendingCosts::default();
        let cost = |number: usize| {
            let (id, began) = (RequestId::first_at(0), Timestamp::UNIX_EPOCH);
            let generation = format!("gen-{number}");
            let (key, account, tenant, user, sent_user) = (String::new(), None, None, None, None);
            let request = Pending { id, generation, account, tenant, key, user, sent_user, began };
            PendingCost { request, has_budget: false }
        };
        for number in 0..MOST + 2 {
            queue.add(cost(number));
        }
        queue.added().await;
        let taken = queue.take();
        assert_eq!((taken.len(), taken.front(), taken.back()), (MOST, Some(&cost(2)), Some(&cost(MOST + 1))));
        assert!(queue.take().is_empty());
    }
}
