//! The state that the callers share with the steps of a round: addresses, blocks in force, and what callers saw.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::PEOPLE;
use crate::cluster::NODES;

/// The time after an acknowledged change within which it may not be in force (docs/SPEC.md#blocking).
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// The acknowledged block of a person.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Enforced {
    /// Number of changes of the person so far.
    change: usize,
    /// Time of the acknowledgement, for each node that ran then. Its directory keeps the block, so that it stays blocked
    /// there until the next change, also after a kill.
    since: [Option<Instant>; NODES],
}

/// The answers that callers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    /// Message ids of whole answers, and the times of their ends.
    pub(crate) finished: Vec<(String, Instant)>,
    /// Requests that broke off, by user.
    pub(crate) broken: HashMap<String, usize>,
    /// Requests that a budget refused, by user.
    pub(crate) over_budget: HashMap<String, usize>,
    pub(crate) blocked: usize,
    pub(crate) to_enforce: Duration,
    violations: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Board {
    addresses: Mutex<[Option<SocketAddr>; NODES]>,
    enforced: Mutex<[Enforced; PEOPLE]>,
    seen: Mutex<Seen>,
    over: AtomicBool,
    probes: AtomicUsize,
}

impl Board {
    pub(crate) fn set_address(&self, node: usize, address: Option<SocketAddr>) {
        self.addresses.lock().unwrap()[node] = address;
    }

    pub(crate) fn address(&self, node: usize) -> Option<SocketAddr> {
        self.addresses.lock().unwrap()[node]
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Tells the callers to end.
    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Returns a new message id for a request of the steps.
    pub(crate) fn probe_id(&self) -> String {
        format!("probe.{}", self.probes.fetch_add(1, Ordering::Relaxed))
    }

    /// Records that a change of a person begins.
    pub(crate) fn change(&self, person: usize) {
        let enforced = &mut self.enforced.lock().unwrap()[person];
        *enforced = Enforced { change: enforced.change + 1, ..Enforced::default() };
    }

    /// Records that nodes obey a block since its acknowledgement.
    pub(crate) fn enforce(&self, person: usize, nodes: &[usize], since: Instant) {
        for node in nodes {
            self.enforced.lock().unwrap()[person].since[*node] = Some(since);
        }
    }

    pub(crate) fn enforced(&self, person: usize) -> Enforced {
        self.enforced.lock().unwrap()[person]
    }

    /// Judges a request of a person. `before` is from before its start.
    pub(crate) fn judge(&self, (person, node): (usize, usize), before: Enforced, began: Instant, passed: bool) {
        let Some(since) = before.since[node] else { return };
        if self.enforced(person).change != before.change {
            return;
        }
        let late = began.saturating_duration_since(since);
        let mut seen = self.seen();
        seen.blocked += 1;
        if passed {
            seen.to_enforce = seen.to_enforce.max(late);
            if late >= SOON {
                seen.violations.push(format!("blocked person {person} passes node {node} after {late:?}"));
            }
        }
    }

    pub(crate) fn assert_fine(&self) {
        let violations = std::mem::take(&mut self.seen().violations);
        assert!(violations.is_empty(), "{violations:?}");
    }
}
