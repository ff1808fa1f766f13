//! The order of look-ups. No I/O; the time is an argument, in microseconds since 1970.
//!
//! Requests with a budget come first, then the others. Within both, callers take turns, so that one caller with many
//! pending costs does not delay the others.

use std::collections::{BTreeSet, HashMap, VecDeque};

use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::request_id::RequestId;
use callsign_gateway::pending::PendingCost;
use callsign_store::ledger::query::Pending;
use callsign_store::limits::Subject;

const SECOND: i64 = 1_000_000;
/// Pauses between two look-ups of a request. The next one is the first that is longer than the request's age.
const PAUSES: [i64; 6] = [SECOND, 10 * SECOND, 60 * SECOND, 600 * SECOND, 3_600 * SECOND, 21_600 * SECOND];
/// Age of a request from which a record that does not exist never will.
const LIFETIME: i64 = 24 * 3_600 * SECOND;
/// Maximum number of requests. The ledger has the others.
const MOST: usize = 10_000;

/// The origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It ended on this node a moment ago.
    Here,
    /// The ledger has it: another node, an earlier run, or the queue was full.
    Ledger,
}

#[derive(Debug)]
struct Entry {
    cost: PendingCost,
    origin: Origin,
}

/// The requests whose turn has come, by caller.
#[derive(Debug, Default)]
struct Turns {
    of: HashMap<Subject, VecDeque<RequestId>>,
    order: VecDeque<Subject>,
}

/// The requests that will be looked up.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    entries: HashMap<RequestId, Entry>,
    /// Requests by the time of their next look-up.
    waiting: BTreeSet<(i64, RequestId)>,
    /// Requests whose time has come: those with a budget, and the others.
    ready: [Turns; 2],
}

/// Returns true if a record of this request that does not exist yet never will.
pub(super) fn is_expired(request: &Pending, now: i64) -> bool {
    now - request.began.as_microsecond() >= LIFETIME
}

/// Returns the caller of a request.
pub(super) fn caller(request: &Pending) -> CallerIdentity<'_> {
    let (tenant, user) = (request.tenant.as_deref(), request.user.as_deref());
    CallerIdentity { tenant, key: &request.key, user, ..CallerIdentity::default() }
}

impl Schedule {
    /// Adds a request, unless it is there already. If the schedule is full, the request whose look-up is furthest away
    /// makes room.
    pub(super) fn add(&mut self, cost: PendingCost, origin: Origin, now: i64) {
        let id = cost.request.id;
        if self.entries.contains_key(&id) {
            return;
        }
        if self.entries.len() >= MOST {
            let Some((_, furthest)) = self.waiting.pop_last() else { return };
            self.entries.remove(&furthest);
        }
        let [with_budget, without, ..] = PAUSES;
        let due = match origin {
            Origin::Here if cost.has_budget => now + with_budget,
            Origin::Here => now + without,
            Origin::Ledger => now,
        };
        self.waiting.insert((due, id));
        self.entries.insert(id, Entry { cost, origin });
    }

    /// Returns the next request to look up, and its origin. The caller reports the result with `again` or `done`.
    pub(super) fn next(&mut self, now: i64) -> Option<(Pending, Origin)> {
        self.promote(now);
        let id = self.ready.iter_mut().find_map(Turns::take)?;
        let entry = self.entries.get(&id)?;
        Some((entry.cost.request.clone(), entry.origin))
    }

    /// Returns the time of the next look-up; `None` if there is none.
    pub(super) fn next_at(&mut self, now: i64) -> Option<i64> {
        self.promote(now);
        if self.ready.iter().any(|turns| !turns.order.is_empty()) {
            return Some(now);
        }
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Returns the number of requests whose time has come.
    pub(super) fn ready(&self) -> usize {
        self.ready.iter().flat_map(|turns| turns.of.values()).map(VecDeque::len).sum()
    }

    /// Schedules the next look-up of a request, with a pause that grows with its age. The last one is at the end of its
    /// lifetime.
    pub(super) fn again(&mut self, id: RequestId, now: i64) {
        let Some(entry) = self.entries.get(&id) else { return };
        let began = entry.cost.request.began.as_microsecond();
        let pause = PAUSES.into_iter().find(|pause| *pause > now - began).unwrap_or(21_600 * SECOND);
        let (next, last) = (now + pause, began + LIFETIME);
        self.waiting.insert((if last > now { next.min(last) } else { next }, id));
    }

    /// Removes a request whose result is final.
    pub(super) fn done(&mut self, id: RequestId) {
        self.entries.remove(&id);
    }

    /// Moves requests whose time has come to their callers' turns.
    fn promote(&mut self, now: i64) {
        while self.waiting.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, id)) = self.waiting.pop_first() else { return };
            let Some(entry) = self.entries.get(&id) else { continue };
            let [with_budget, without] = &mut self.ready;
            let turns = if entry.cost.has_budget { with_budget } else { without };
            turns.add(Subject::of(&caller(&entry.cost.request)), id);
        }
    }
}

impl Turns {
    fn add(&mut self, caller: Subject, id: RequestId) {
        let queue = self.of.entry(caller).or_default();
        if queue.is_empty() {
            self.order.push_back(caller);
        }
        queue.push_back(id);
    }

    fn take(&mut self) -> Option<RequestId> {
        let caller = self.order.pop_front()?;
        let queue = self.of.get_mut(&caller)?;
        let id = queue.pop_front();
        if queue.is_empty() {
            self.of.remove(&caller);
        } else {
            self.order.push_back(caller);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// The start of all requests.
    const BEGAN: i64 = 1_790_000_000_000_000;

    fn cost(number: u8, user: &str, has_budget: bool) -> PendingCost {
        let request = Pending {
            id: RequestId::new(BEGAN, [number; 15]),
            generation: format!("gen-{number}"),
            is_job: false,
            account: Some("0123456789abcdef".to_owned()),
            tenant: None,
            key: "app".to_owned(),
            user: Some(user.to_owned()),
            sent_user: None,
            began: Timestamp::from_microsecond(BEGAN).unwrap(),
        };
        PendingCost { request, has_budget }
    }

    fn order(schedule: &mut Schedule, now: i64) -> Vec<String> {
        std::iter::from_fn(|| schedule.next(now)).map(|(request, _)| request.generation).collect()
    }

    #[test]
    fn budgets_come_first_and_callers_take_turns() {
        let mut schedule = Schedule::default();
        for (number, user, has_budget) in
            [(1, "ada", false), (2, "ada", false), (3, "ada", false), (4, "bob", false), (5, "eve", true)]
        {
            schedule.add(cost(number, user, has_budget), Origin::Here, BEGAN);
        }
        schedule.add(cost(1, "ada", false), Origin::Ledger, BEGAN);
        assert_eq!(schedule.next_at(BEGAN), Some(BEGAN + SECOND));
        assert_eq!(order(&mut schedule, BEGAN + SECOND), ["gen-5"]);
        assert_eq!(schedule.next_at(BEGAN + SECOND), Some(BEGAN + 10 * SECOND));
        assert_eq!(schedule.next_at(BEGAN + 10 * SECOND), Some(BEGAN + 10 * SECOND));
        assert_eq!(schedule.ready(), 4);
        assert_eq!(order(&mut schedule, BEGAN + 10 * SECOND), ["gen-1", "gen-4", "gen-2", "gen-3"]);
        assert_eq!(schedule.next_at(BEGAN + 10 * SECOND), None);
    }

    #[test]
    fn pauses_grow_until_a_last_look_after_a_day() {
        let mut schedule = Schedule::default();
        schedule.add(cost(1, "ada", true), Origin::Here, BEGAN);
        let (mut now, mut pauses) = (BEGAN, Vec::new());
        loop {
            let next = schedule.next_at(now).unwrap();
            pauses.push((next - now) / SECOND);
            now = next;
            let (request, _) = schedule.next(now).unwrap();
            if is_expired(&request, now) {
                break;
            }
            schedule.again(request.id, now);
        }
        assert_eq!(pauses, [1, 10, 60, 600, 3600, 21_600, 21_600, 21_600, 17_329]);
        assert_eq!(now - BEGAN, LIFETIME);
        schedule.again(cost(1, "ada", true).request.id, now);
        assert_eq!(schedule.next_at(now), Some(now + 21_600 * SECOND), "an outage does not end the search");
        schedule.done(cost(1, "ada", true).request.id);
        assert_eq!(order(&mut schedule, now + LIFETIME), [""; 0]);
    }

    #[test]
    fn requests_of_the_ledger_are_looked_up_at_once_and_a_full_schedule_prefers_them() {
        let mut schedule = Schedule::default();
        for number in 0..MOST {
            let mut cost = cost(1, "ada", false);
            cost.request.id = RequestId::new(BEGAN + 1000 * i64::try_from(number).unwrap(), [1; 15]);
            schedule.add(cost, Origin::Here, BEGAN);
        }
        schedule.add(cost(2, "bob", false), Origin::Ledger, BEGAN);
        assert_eq!(schedule.entries.len(), MOST);
        assert_eq!(order(&mut schedule, BEGAN), ["gen-2"]);
    }
}
