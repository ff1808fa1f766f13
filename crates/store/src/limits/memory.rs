//! The counters of one process in memory. Changed subjects are tracked, so that the worker can write them to the file.
//!
//! The number of subjects is bounded. A full shard removes idle subjects first, then those that changed longest ago; one
//! with a running request stays.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::ask::{Ask, Gauge, Settlement, Spent, Standing, Used};
use super::calendar::{Calendar, Moment};
use super::counters::Counters;
use super::subject::Subject;
use callsign_core::allowance::Ceilings;

/// Number of independently locked shards. Reduces lock contention.
const SHARDS: usize = 32;
/// Maximum number of subjects of a shard: 131,072 in all. A subject of a few requests takes half a kilobyte.
const MOST_SUBJECTS: usize = 4096;
/// Number of subjects that a full shard removes at once, so that one look at all of them serves many insertions.
const REMOVED: usize = MOST_SUBJECTS / 8;
/// Bytes that [`Memory::changes`] passes at a time, on average. The worker writes once a second.
const CHANGES_BYTES: usize = 1 << 20;

/// Counters by subject.
#[derive(Debug, Default)]
pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    pace: Mutex<Pace>,
    /// The days and months of budgets.
    calendar: ArcSwap<Calendar>,
}

/// The progress of [`Memory::changes`].
#[derive(Debug, Default)]
struct Pace {
    /// Bytes that the last call passed beyond [`CHANGES_BYTES`].
    debt: usize,
    /// The shard with which the next call begins.
    first: usize,
}

#[derive(Debug, Default)]
struct Shard {
    subjects: HashMap<Subject, Counters>,
    changed: HashSet<Subject>,
}

impl Shard {
    /// Returns the counters of a subject, after making room for them.
    fn enter(&mut self, subject: Subject, moment: &Moment) -> &mut Counters {
        if self.subjects.len() >= MOST_SUBJECTS && !self.subjects.contains_key(&subject) {
            self.make_room(moment);
        }
        self.changed.insert(subject);
        self.subjects.entry(subject).or_default()
    }

    fn remove_idle(&mut self, moment: &Moment) {
        let Self { subjects, changed } = self;
        subjects.retain(|subject, counters| {
            let stays = !counters.is_idle(moment);
            if !stays {
                changed.insert(*subject);
            }
            stays
        });
    }

    fn make_room(&mut self, moment: &Moment) {
        self.remove_idle(moment);
        if self.subjects.len() >= MOST_SUBJECTS {
            let mut by_age: Vec<_> =
                self.subjects.iter().map(|(subject, counters)| (counters.last_change(), *subject)).collect();
            by_age.sort_unstable();
            for (_, subject) in by_age.into_iter().take(REMOVED).filter(|(at, _)| *at != i64::MAX) {
                self.subjects.remove(&subject);
                self.changed.insert(subject);
            }
        }
    }
}

/// The locked shards of some subjects.
struct Locked<'m>(Vec<(usize, MutexGuard<'m, Shard>)>);

impl Locked<'_> {
    fn shard(&mut self, subject: Subject) -> Option<&mut Shard> {
        let wanted = subject.spread() % SHARDS;
        self.0.iter_mut().find(|(number, _)| *number == wanted).map(|(_, shard)| &mut **shard)
    }
}

impl Memory {
    /// Returns the days and months of budgets.
    pub(super) fn calendar(&self) -> arc_swap::Guard<Arc<Calendar>> {
        self.calendar.load()
    }

    /// Replaces the days and months of budgets.
    pub(super) fn set_calendar(&self, calendar: Calendar) {
        self.calendar.store(Arc::new(calendar));
    }

    fn at(&self, now_ms: i64) -> Moment {
        self.calendar().at(now_ms)
    }

    fn shard(&self, subject: Subject) -> MutexGuard<'_, Shard> {
        self.shards[subject.spread() % SHARDS].lock()
    }

    /// Locks the shards of these subjects, always in the same order.
    fn lock(&self, asks: &[(Subject, Ask)]) -> Locked<'_> {
        let mut numbers: Vec<_> = asks.iter().map(|(subject, _)| subject.spread() % SHARDS).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Locked(numbers.into_iter().map(|number| (number, self.shards[number].lock())).collect())
    }

    /// Loads counters from the file.
    pub(super) fn adopt(&self, subject: Subject, counters: Counters) {
        self.shard(subject).subjects.insert(subject, counters);
    }

    /// Counts one request for all its subjects, or for none if it does not fit the limits of one of them. Returns the
    /// standing of each.
    pub fn reserve(&self, asks: &[(Subject, Ask)], now_ms: i64) -> Vec<Standing> {
        let moment = &self.at(now_ms);
        let mut locked = self.lock(asks);
        let mut standings: Vec<_> = asks
            .iter()
            .map(|(subject, ask)| {
                let known = locked.shard(*subject).and_then(|shard| shard.subjects.get_mut(subject));
                let gauges = match known {
                    Some(counters) => counters.gauges(ask, moment),
                    None => Counters::default().gauges(ask, moment),
                };
                Standing { counted: false, gauges }
            })
            .collect();
        if standings.iter().zip(asks).all(|(standing, (_, ask))| !ask.enforce || standing.fits()) {
            for (standing, (subject, ask)) in standings.iter_mut().zip(asks) {
                let Some(shard) = locked.shard(*subject) else { continue };
                shard.enter(*subject, moment).count(ask, moment);
                standing.counted = true;
            }
        }
        standings
    }

    /// Replaces the estimates of a running request for all its subjects, or for none if it does not fit the budgets of one
    /// of them. Returns the standing of each. A request that does not run here fits.
    pub fn raise(&self, asks: &[(Subject, Ask)], now_ms: i64) -> Vec<Standing> {
        let moment = &self.at(now_ms);
        let mut locked = self.lock(asks);
        let mut standings: Vec<_> = asks
            .iter()
            .map(|(subject, ask)| {
                let known = locked.shard(*subject).and_then(|shard| shard.subjects.get_mut(subject));
                let gauges = known.and_then(|counters| counters.raise_gauges(ask, moment));
                Standing { counted: false, gauges: gauges.unwrap_or_default() }
            })
            .collect();
        if standings.iter().zip(asks).all(|(standing, (_, ask))| !ask.enforce || standing.fits()) {
            for (standing, (subject, ask)) in standings.iter_mut().zip(asks) {
                standing.counted = true;
                let Some(shard) = locked.shard(*subject) else { continue };
                if let Some(counters) = shard.subjects.get_mut(subject) {
                    counters.raise(ask);
                    shard.changed.insert(*subject);
                }
            }
        }
        standings
    }

    /// Changes the counters of a subject, if it has any.
    fn change(&self, subject: Subject, change: impl FnOnce(&mut Counters)) {
        let mut shard = self.shard(subject);
        if let Some(counters) = shard.subjects.get_mut(&subject) {
            change(counters);
            shard.changed.insert(subject);
        }
    }

    /// Calls [`Counters::leave`] for a subject.
    pub fn leave(&self, subject: Subject, id: u64) {
        self.change(subject, |counters| counters.leave(id));
    }

    /// Calls [`Counters::settle`] for a subject.
    pub fn settle(&self, subject: Subject, id: u64, settlement: Settlement, now_ms: i64) {
        self.change(subject, |counters| counters.settle(id, settlement, now_ms));
    }

    /// Calls [`Counters::correct`] for a subject.
    pub fn correct(&self, subject: Subject, id: u64, used: Used) {
        self.change(subject, |counters| counters.correct(id, used));
    }

    /// Calls [`Counters::restore`] for a subject.
    pub fn restore(&self, subject: Subject, spent: &Spent, now_ms: i64) {
        let moment = &self.at(now_ms);
        self.shard(subject).enter(subject, moment).restore(spent, moment);
    }

    /// Calls [`Counters::look`] for a subject.
    pub fn look(&self, subject: Subject, ceilings: Ceilings, now_ms: i64) -> [Gauge; 6] {
        match self.shard(subject).subjects.get_mut(&subject) {
            Some(counters) => counters.look(ceilings, &self.at(now_ms)),
            None => [Gauge::default(); 6],
        }
    }

    /// Returns the number of subjects.
    pub fn subjects(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().subjects.len()).sum()
    }

    /// Passes counters that changed since they were last passed, about [`CHANGES_BYTES`] of them; `None` for subjects
    /// that were removed. The rest waits for the next call, so that one busy subject does not fill the disk.
    pub(super) fn changes(&self, mut take: impl FnMut(Subject, Option<&Counters>)) {
        let mut pace = self.pace.lock();
        let mut bytes = pace.debt;
        for number in (0..SHARDS).map(|number| (pace.first + number) % SHARDS) {
            let mut shard = self.shards[number].lock();
            let Shard { subjects, changed } = &mut *shard;
            changed.retain(|subject| {
                let waits = bytes >= CHANGES_BYTES;
                if !waits {
                    let counters = subjects.get(subject);
                    bytes += counters.map_or(0, Counters::stored_bytes);
                    take(*subject, counters);
                }
                waits
            });
            if bytes >= CHANGES_BYTES {
                pace.first = number;
                break;
            }
        }
        pace.debt = bytes.saturating_sub(CHANGES_BYTES);
    }

    /// Removes expired counters.
    pub(super) fn tidy(&self, now_ms: i64) {
        let moment = &self.at(now_ms);
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.remove_idle(moment);
            shard.subjects.shrink_to_fit();
        }
    }
}
