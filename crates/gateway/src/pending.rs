//! The queue of ended requests whose cost is pending, for the reconciliation inside `serve`
//! (`docs/SPEC.md#reconciliation`). The ledger has the same requests, so that a dropped entry is only found later.

use std::collections::VecDeque;

use callsign_core::usage::Usage;
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

/// The cost of a job, which its owner's poll has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCost {
    /// The job.
    pub id: String,
    /// Tokens and cost.
    pub usage: Usage,
}

/// A bounded queue. Adding does not wait.
#[derive(Debug, Default)]
pub struct PendingCosts {
    queue: Mutex<VecDeque<PendingCost>>,
    jobs: Mutex<VecDeque<JobCost>>,
    added: Notify,
}

impl PendingCosts {
    /// Adds a request.
    pub fn add(&self, cost: PendingCost) {
        push(&mut self.queue.lock(), cost);
        self.added.notify_one();
    }

    /// Adds the cost of a job.
    pub fn add_job(&self, cost: JobCost) {
        push(&mut self.jobs.lock(), cost);
        self.added.notify_one();
    }

    /// Takes all queued requests, oldest first.
    pub fn take(&self) -> VecDeque<PendingCost> {
        std::mem::take(&mut *self.queue.lock())
    }

    /// Takes the costs of jobs, oldest first.
    pub fn take_jobs(&self) -> VecDeque<JobCost> {
        std::mem::take(&mut *self.jobs.lock())
    }

    /// Waits until something has been added since the last call.
    pub async fn added(&self) {
        self.added.notified().await;
    }
}

fn push<T>(queue: &mut VecDeque<T>, one: T) {
    if queue.len() >= MOST {
        queue.pop_front();
    }
    queue.push_back(one);
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
            let request = Pending { id, generation, is_job: false, account, tenant, key, user, sent_user, began };
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
