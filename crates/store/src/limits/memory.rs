//! The counters of one process, in memory. What changed is remembered, so that it can be written down beside the requests.

use std::collections::{HashMap, HashSet};
use parking_lot::{Mutex, MutexGuard};

use callsign_core::allowance::Ceilings;
use super::counters::{Ask, Counters, Gauge, Settlement, Standing};
use super::subject::Subject;

/// Independent parts, so that threads hardly ever meet.
const SHARDS: usize = 32;

/// See the module.
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

    /// Takes over what was counted before.
    pub(super) fn adopt(&self, subject: Subject, counters: Counters) {
        self.shard(subject).subjects.insert(subject, counters);
    }

    /// See [`Counters::reserve`].
    pub fn reserve(&self, subject: Subject, ask: &Ask, now_ms: i64) -> Standing {
        let mut shard = self.shard(subject);
        let standing = shard.subjects.entry(subject).or_default().reserve(ask, now_ms);
        if standing.counted {
            shard.changed.insert(subject);
        }
        standing
    }

    /// See [`Counters::settle`].
    pub fn settle(&self, subject: Subject, id: u64, settlement: Settlement, now_ms: i64) {
        let mut shard = self.shard(subject);
        if let Some(counters) = shard.subjects.get_mut(&subject) {
            counters.settle(id, settlement, now_ms);
            shard.changed.insert(subject);
        }
    }

    /// See [`Counters::look`].
    pub fn look(&self, subject: Subject, ceilings: Ceilings, now_ms: i64) -> [Gauge; 6] {
        match self.shard(subject).subjects.get_mut(&subject) {
            Some(counters) => counters.look(ceilings, now_ms),
            None => [Gauge::default(); 6],
        }
    }

    /// Hands over what changed since the last time.
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

    /// Hands over everything that still means something and forgets the rest.
    pub(super) fn all(&self, now_ms: i64, mut take: impl FnMut(Subject, &Counters)) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.subjects.retain(|_, counters| !counters.is_idle(now_ms));
            shard.subjects.shrink_to_fit();
            shard.changed.clear();
            for (subject, counters) in &shard.subjects {
                take(*subject, counters);
            }
        }
    }

    /// Forgets who has used nothing that still counts.
    pub(super) fn tidy(&self, now_ms: i64) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.subjects.retain(|_, counters| !counters.is_idle(now_ms));
        }
    }
}
