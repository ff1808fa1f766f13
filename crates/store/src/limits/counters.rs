//! The counters of the six limits of one subject: current use, whether a request fits, and the wait until it does. No
//! I/O; the time is an argument. `redis/*.lua` implement the same rules in Redis; `tests/it/limits/suite.rs` tests both.
//!
//! Requests and messages are logs of timestamps, so sliding windows are exact. A budget is one sum per day or month. A
//! request's estimate is added at once and replaced by its actual use: at its end, or when its cost is found later. After
//! a crash the estimate stays charged (docs/SPEC.md#reservations).

mod log;
mod messages;
mod sums;

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::ask::{Ask, Gauge, Settlement, Spent, Used};
use super::calendar::Moment;
use callsign_core::allowance::{Ceilings, Estimate, Limit};
use log::insert;
use messages::{Messages, Part, WINDOW_MS};
use sums::{Sums, exchange};

/// The window of [`Limit::Rpm`].
pub(super) const MINUTE_MS: i64 = 60_000;
/// The wait that is reported for [`Limit::Concurrent`]. The actual wait is unknown.
pub(super) const SOON_MS: i64 = 1_000;
/// Maximum number of reservations of one subject that wait for their use: a thousand seconds of look-ups. A further one
/// stays as estimated for good.
pub(super) const MOST_PENDING: usize = 20_000;

/// The estimates of one request that are in the sums of a day and a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Charged {
    #[serde(rename = "d")]
    day: i64,
    #[serde(rename = "mo")]
    month: i64,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    tokens: Option<i64>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    usd_day: Option<i64>,
    #[serde(rename = "um", default, skip_serializing_if = "Option::is_none")]
    usd_month: Option<i64>,
}

impl Charged {
    /// Returns the estimates that stay charged after this use.
    fn rest(self, used: Used) -> Self {
        let rest = |charged: Option<i64>, told: Option<i64>| charged.filter(|_| told.is_none());
        Self {
            tokens: rest(self.tokens, used.tokens),
            usd_day: rest(self.usd_day, used.usd),
            usd_month: rest(self.usd_month, used.usd),
            ..self
        }
    }

    fn is_empty(self) -> bool {
        (self.tokens, self.usd_day, self.usd_month) == (None, None, None)
    }
}

/// The reservation of a running request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    message: Option<Part>,
    charged: Charged,
    /// True until the client leaves. A request that has been left does not count as concurrent.
    is_waited_for: bool,
}

/// All counters of one subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Counters {
    /// Time and id of the requests in the last minute.
    requests: VecDeque<(i64, u64)>,
    messages: Messages,
    days: Sums,
    /// Months have no tokens.
    months: Sums,
    /// Running requests. Not stored, because none run after a restart; their estimates stay charged.
    open: HashMap<u64, Open>,
    /// The number of requests in `open` whose client waits.
    waited_for: usize,
    /// Ended requests whose use may be found later.
    pending: HashMap<u64, Charged>,
    /// The time of the latest change.
    changed: i64,
}

/// The stored part of [`Counters`].
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "r", default, skip_serializing_if = "VecDeque::is_empty")]
    requests: VecDeque<(i64, u64)>,
    #[serde(rename = "m", default, skip_serializing_if = "VecDeque::is_empty")]
    messages: VecDeque<(i64, u64)>,
    #[serde(rename = "d", default)]
    days: Sums,
    #[serde(rename = "mo", default)]
    months: Sums,
    #[serde(rename = "p", default, skip_serializing_if = "HashMap::is_empty")]
    pending: HashMap<u64, Charged>,
}

impl From<Stored> for Counters {
    fn from(stored: Stored) -> Self {
        let Stored { requests, messages, days, months, pending } = stored;
        let messages = Messages::stored(messages);
        Self { requests, messages, days, months, pending, ..Self::default() }
    }
}

impl From<Counters> for Stored {
    fn from(counters: Counters) -> Self {
        let Counters { requests, messages, days, months, pending, .. } = counters;
        Self { requests, messages: messages.log().clone(), days, months, pending }
    }
}

impl Counters {
    /// Removes expired entries, and turns to this day and month.
    fn advance(&mut self, moment: &Moment) {
        while self.requests.pop_front_if(|(at, _)| *at <= moment.now - MINUTE_MS).is_some() {}
        self.messages.advance(moment.now);
        self.days.turn(moment.day);
        if self.months.turn(moment.month) {
            let months = &mut self.months;
            self.pending.retain(|_, charged| months.of(charged.month).is_some());
        }
    }

    /// Returns true if all counters are zero or expired.
    pub(super) fn is_idle(&mut self, moment: &Moment) -> bool {
        self.advance(moment);
        self.open.is_empty()
            && self.pending.is_empty()
            && self.requests.is_empty()
            && self.messages.log().is_empty()
            && self.days.is_zero()
            && self.months.is_zero()
    }

    /// Returns the time of the latest change; `i64::MAX` while a request runs.
    pub(super) fn last_change(&self) -> i64 {
        if self.open.is_empty() { self.changed } else { i64::MAX }
    }

    /// Returns about the number of bytes of the stored form.
    pub(super) fn stored_bytes(&self) -> usize {
        200 + 36 * (self.requests.len() + self.messages.log().len()) + 100 * self.pending.len()
    }

    /// Returns the use of each limit before a request, and the wait until the request fits.
    pub(super) fn gauges(&mut self, ask: &Ask, moment: &Moment) -> [Gauge; 6] {
        self.advance(moment);
        let window = |log: &VecDeque<(i64, u64)>, span: i64, most: i64| {
            let used = i64::try_from(log.len()).unwrap_or(i64::MAX);
            let oldest = usize::try_from(used - most).ok().and_then(|index| log.get(index));
            Gauge { used, wait_ms: oldest.map_or(0, |(at, _)| at + span - moment.now) }
        };
        Limit::ALL.map(|limit| {
            let Some(most) = ask.ceilings.of(limit) else { return Gauge::default() };
            match limit {
                Limit::Rpm => window(&self.requests, MINUTE_MS, most),
                Limit::Messages => {
                    let gauge = window(self.messages.log(), WINDOW_MS, most);
                    // A request that is not a message, or belongs to a counted one, fits.
                    let is_new = ask.message.is_some_and(|message| self.messages.is_new(&message, moment.now));
                    Gauge { wait_ms: if is_new { gauge.wait_ms } else { 0 }, ..gauge }
                }
                Limit::Concurrent => {
                    let used = i64::try_from(self.waited_for).unwrap_or(i64::MAX);
                    Gauge { used, wait_ms: if used >= most { SOON_MS } else { 0 } }
                }
                Limit::TokensDay => budget(self.days.now.tokens, ask, limit, moment),
                Limit::UsdDay => budget(self.days.now.usd, ask, limit, moment),
                Limit::UsdMonth => budget(self.months.now.usd, ask, limit, moment),
            }
        })
    }

    /// Counts a request.
    pub(super) fn count(&mut self, ask: &Ask, moment: &Moment) {
        self.advance(moment);
        self.changed = moment.now;
        if ask.ceilings.of(Limit::Rpm).is_some() {
            insert(&mut self.requests, (moment.now, ask.id));
        }
        let message = ask.message.filter(|_| ask.ceilings.of(Limit::Messages).is_some());
        let message = message.map(|message| self.messages.count(&message, moment.now));
        let usd = ask.usd();
        let charged = Charged {
            day: moment.day,
            month: moment.month,
            tokens: ask.tokens(),
            usd_day: ask.ceilings.of(Limit::UsdDay).map(|_| usd),
            usd_month: ask.ceilings.of(Limit::UsdMonth).map(|_| usd),
        };
        self.days.now.tokens += charged.tokens.unwrap_or(0);
        self.days.now.usd += charged.usd_day.unwrap_or(0);
        self.months.now.usd += charged.usd_month.unwrap_or(0);
        self.waited_for += 1;
        self.open.insert(ask.id, Open { message, charged, is_waited_for: true });
    }

    /// Returns the use of each budget without the running request `ask.id`, and the wait until its new estimate fits.
    /// `None` if the request does not run.
    pub(super) fn raise_gauges(&mut self, ask: &Ask, moment: &Moment) -> Option<[Gauge; 6]> {
        let Charged { day, month, tokens, usd_day, usd_month } = self.open.get(&ask.id)?.charged;
        let others = |sum: Option<i64>, own: Option<i64>| sum.unwrap_or(0).saturating_sub(own.unwrap_or(0));
        let (day, month) = (self.days.of(day).copied(), self.months.of(month).map(|sum| sum.usd));
        Some(Limit::ALL.map(|limit| {
            let (used, reserved) = match limit {
                Limit::TokensDay => (others(day.map(|day| day.tokens), tokens), tokens),
                Limit::UsdDay => (others(day.map(|day| day.usd), usd_day), usd_day),
                Limit::UsdMonth => (others(month, usd_month), usd_month),
                Limit::Rpm | Limit::Messages | Limit::Concurrent => return Gauge::default(),
            };
            match reserved {
                None => Gauge::default(),
                // An estimate that does not grow fits.
                Some(reserved) if ask.needs(limit) <= reserved => Gauge { used, wait_ms: 0 },
                Some(_) => budget(used, ask, limit, moment),
            }
        }))
    }

    /// Replaces the estimate of the running request `ask.id`.
    pub(super) fn raise(&mut self, ask: &Ask) {
        let Some(open) = self.open.get_mut(&ask.id) else { return };
        let (tokens, usd) = (ask.tokens(), ask.usd());
        let old = open.charged;
        open.charged.tokens = old.tokens.and(tokens);
        open.charged.usd_day = old.usd_day.map(|_| usd);
        open.charged.usd_month = old.usd_month.map(|_| usd);
        self.exchange(old, Used { tokens, usd: Some(usd) });
    }

    /// Gives back the place under [`Limit::Concurrent`], because the client of a running request has left.
    pub fn leave(&mut self, id: u64) {
        if let Some(open) = self.open.get_mut(&id).filter(|open| open.is_waited_for) {
            open.is_waited_for = false;
            self.waited_for -= 1;
        }
    }

    /// Replaces a request's reservation by its actual use. Further calls for the same request have no effect.
    pub fn settle(&mut self, id: u64, settlement: Settlement, now: i64) {
        let Some(Open { message, charged, is_waited_for }) = self.open.remove(&id) else { return };
        if self.open.is_empty() {
            // Most subjects run nothing. Their number is large, and so is a table for running requests.
            self.open.shrink_to_fit();
        }
        self.changed = now;
        self.waited_for -= usize::from(is_waited_for);
        if let Some(part) = message {
            self.messages.end(part, settlement.is_message(), now);
        }
        let used = settlement.used();
        self.exchange(charged, used);
        let rest = charged.rest(used);
        let is_known = self.months.of(rest.month).is_some() && !rest.is_empty();
        if matches!(settlement, Settlement::Pending(_)) && is_known && self.pending.len() < MOST_PENDING {
            self.pending.insert(id, rest);
        }
    }

    /// Replaces the estimates of a request that was settled as pending by its use. What is unknown stays as estimated for
    /// good. Further calls for the same request have no effect.
    pub fn correct(&mut self, id: u64, used: Used) {
        if let Some(charged) = self.pending.remove(&id) {
            self.exchange(charged, used);
        }
    }

    /// Exchanges estimates for the use in the sums that contain them. A period that is no longer known has no sum.
    fn exchange(&mut self, charged: Charged, used: Used) {
        if let Some(day) = self.days.of(charged.day) {
            exchange(&mut day.tokens, charged.tokens, used.tokens);
            exchange(&mut day.usd, charged.usd_day, used.usd);
        }
        if let Some(month) = self.months.of(charged.month) {
            exchange(&mut month.usd, charged.usd_month, used.usd);
        }
    }

    /// Raises the sums of the running day and month to what the ledger knows.
    pub fn restore(&mut self, spent: &Spent, moment: &Moment) {
        self.advance(moment);
        self.changed = moment.now;
        self.days.now.tokens = self.days.now.tokens.max(spent.tokens_day);
        self.days.now.usd = self.days.now.usd.max(spent.usd_day);
        self.months.now.usd = self.months.now.usd.max(spent.usd_month);
    }

    /// Returns the current use without counting a request.
    pub fn look(&mut self, ceilings: Ceilings, moment: &Moment) -> [Gauge; 6] {
        let mut gauges = self.gauges(&Ask::looking(ceilings), moment);
        for (limit, gauge) in Limit::ALL.into_iter().zip(&mut gauges) {
            exhausted(limit, ceilings, gauge, moment);
        }
        gauges
    }
}

impl Ask {
    /// Returns a request that only looks: a new message that costs nothing.
    pub(super) fn looking(ceilings: Ceilings) -> Self {
        let estimate = Estimate { tokens: 0, usd: 0 };
        Self { id: 0, ceilings, message: Some(super::ask::Message::new(0)), estimate, enforce: true }
    }
}

/// Returns the gauge of a budget.
fn budget(used: i64, ask: &Ask, limit: Limit, moment: &Moment) -> Gauge {
    let fits = ask.ceilings.of(limit).is_none_or(|most| used.saturating_add(ask.needs(limit)) <= most);
    Gauge { used, wait_ms: if fits { 0 } else { renewal(limit, moment) } }
}

/// Returns the milliseconds until a budget is renewed.
pub(super) fn renewal(limit: Limit, moment: &Moment) -> i64 {
    (if limit == Limit::UsdMonth { moment.next_month } else { moment.next_day }) - moment.now
}

/// Sets the wait of a budget that is exactly used up. For display it counts as reached.
pub(super) fn exhausted(limit: Limit, ceilings: Ceilings, gauge: &mut Gauge, moment: &Moment) {
    if limit.is_budget() && ceilings.of(limit).is_some_and(|most| gauge.used >= most) {
        gauge.wait_ms = renewal(limit, moment);
    }
}

#[cfg(test)]
mod tests;
