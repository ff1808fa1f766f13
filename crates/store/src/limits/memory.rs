//! The counters of one process in memory. Changed subjects are tracked, so that the worker can write them to the file.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};

use super::counters::{Ask, Counters, Gauge, Settlement, Standing, Used};
use super::subject::Subject;
use callsign_core::allowance::Ceilings;

/// Number of independently locked shards. Reduces lock contention.
const SHARDS: usize = 32;

/// Counters by subject.
#[derive(Debug, Default)]
pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    subjects: HashMap<Subject, Counters>,
    changed: HashSet<Subject>,
}

impl Memory {
    fn shard(&self, subject: Subject) -> MutexGuard<'_, Shard> {
        self.shards[subject.spread() % SHARDS].lock()
    }

    /// Loads counters from the file.
    pub(super) fn adopt(&self, subject: Subject, counters: Counters) {
        self.shard(subject).subjects.insert(subject, counters);
    }

    /// Calls [`Counters::reserve`] for a subject.
    pub fn reserve(&self, subject: Subject, ask: &Ask, now_ms: i64) -> Standing {
        let mut shard = self.shard(subject);
        let standing = shard.subjects.entry(subject).or_default().reserve(ask, now_ms);
        if standing.counted {
            shard.changed.insert(subject);
        }
        standing
    }

    /// Calls [`Counters::settle`] for a subject.
    pub fn settle(&self, subject: Subject, id: u64, settlement: Settlement, now_ms: i64) {
        let mut shard = self.shard(subject);
        if let Some(counters) = shard.subjects.get_mut(&subject) {
            counters.settle(id, settlement, now_ms);
            shard.changed.insert(subject);
        }
    }

    /// Calls [`Counters::correct`] for a subject.
    pub fn correct(&self, subject: Subject, id: u64, used: Used, now_ms: i64) {
        let mut shard = self.shard(subject);
        if let Some(counters) = shard.subjects.get_mut(&subject) {
            counters.correct(id, used, now_ms);
            shard.changed.insert(subject);
        }
    }

    /// Calls [`Counters::look`] for a subject.
    pub fn look(&self, subject: Subject, ceilings: Ceilings, now_ms: i64) -> [Gauge; 6] {
        match self.shard(subject).subjects.get_mut(&subject) {
            Some(counters) => counters.look(ceilings, now_ms),
            None => [Gauge::default(); 6],
        }
    }

    /// Passes the counters that changed since the last call.
    pub(super) fn changes(&self, mut take: impl FnMut(Subject, &Counters)) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let changed = std::mem::take(&mut shard.changed);
            for subject in changed {
                if let Some(counters) = shard.subjects.get(&subject) {
                    take(subject, counters);
                }
            }
        }
    }

    /// Removes expired counters, and passes their subjects.
    pub(super) fn tidy(&self, now_ms: i64, mut gone: impl FnMut(Subject)) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.subjects.retain(|subject, counters| {
                let is_idle = counters.is_idle(now_ms);
                if is_idle {
                    gone(*subject);
                }
                !is_idle
            });
            shard.subjects.shrink_to_fit();
        }
    }
}
