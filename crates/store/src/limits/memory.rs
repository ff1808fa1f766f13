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
/// Bytes that [`Memory::changes`] passes at a time, on average. The worker writes once a second. SQLite writes up to three
/// times as much, to its log and to the file (measured), so that the disk gets at most 1 MiB a second.
const CHANGES_BYTES: usize = 320 * 1024;

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
    /// Boxed: up to half of a table's places are empty.
    subjects: HashMap<Subject, Box<Counters>>,
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
        // What was counted since the start wins.
        self.shard(subject).subjects.entry(subject).or_insert_with(|| Box::new(counters));
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
                    let counters = subjects.get(subject).map(Box::as_ref);
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

#[cfg(test)]
mod tests {
    use super::*;
    use callsign_core::allowance::{Estimate, Limit};

    const NOW: i64 = 1_767_225_600_000;

    fn ask(id: u64, limit: Limit) -> Ask {
        let mut ceilings = Ceilings::default();
        ceilings.0[limit as usize] = Some(1_000_000);
        Ask { id, ceilings, message: None, estimate: Estimate { tokens: 1, usd: 1 }, enforce: true }
    }

    fn count(memory: &Memory, user: &str, id: u64, limit: Limit, now: i64) {
        assert!(memory.reserve(&[(Subject::user(None, user), ask(id, limit))], now)[0].counted);
    }

    #[test]
    fn invented_people_take_a_bounded_memory_and_push_out_idle_ones_first() {
        let memory = Memory::default();
        let end = |user: &str, id| {
            memory.settle(Subject::user(None, user), id, Settlement::Used(Used::default()), NOW);
        };
        count(&memory, "running", 0, Limit::UsdDay, NOW);
        count(&memory, "idle", 0, Limit::Rpm, NOW);
        end("idle", 0);
        count(&memory, "spender", 0, Limit::UsdDay, NOW + 60_000);
        end("spender", 0);
        for number in 1..=2 * (SHARDS * MOST_SUBJECTS) as u64 {
            let user = number.to_string();
            count(&memory, &user, number, Limit::UsdDay, NOW + 60_000);
            end(&user, number);
        }
        assert!(memory.subjects() <= SHARDS * MOST_SUBJECTS);
        let used = |user, limit| {
            let ceilings = ask(0, limit).ceilings;
            memory.look(Subject::user(None, user), ceilings, NOW + 60_000)[limit as usize].used
        };
        assert_eq!(used("running", Limit::UsdDay), 1, "one with a running request stays");
        assert_eq!(used("idle", Limit::Rpm), 0);
    }

    #[test]
    fn what_is_written_in_a_second_is_bounded_and_nothing_is_forgotten() {
        let memory = Memory::default();
        for user in 0..40 {
            for id in 0..5000 {
                count(&memory, &user.to_string(), id, Limit::Rpm, NOW);
            }
        }
        let (mut bytes, mut seen, mut calls) = (0, HashSet::new(), 0);
        while seen.len() < 40 {
            calls += 1;
            memory.changes(|subject, counters| {
                bytes += counters.map_or(0, Counters::stored_bytes);
                seen.insert(subject);
            });
            assert!(bytes <= (calls + 1) * CHANGES_BYTES, "{bytes} bytes in {calls} seconds");
            assert!(calls < 100);
        }
        assert!(calls > 5, "{calls}");
    }
}
