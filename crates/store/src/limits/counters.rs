//! The counters of the six limits of one subject: current use, whether a request fits, and the wait until it does. No
//! I/O; the time is an argument. `reserve.lua` and `settle.lua` implement the same rules in Redis;
//! `tests/it/limits/suite.rs` tests both.
//!
//! Requests and messages are logs of timestamps, so sliding windows are exact. A budget is one sum per day or month. A
//! request's estimate is added at once and replaced by its actual use: at its end, or when its cost is found later. After
//! a crash the estimate stays charged (docs/SPEC.md#reservations).

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::calendar;
use callsign_core::allowance::{Ceilings, Estimate, Limit};

/// The window of [`Limit::Rpm`].
pub(super) const MINUTE_MS: i64 = 60_000;
/// The window of [`Limit::Messages`].
pub(super) const WINDOW_MS: i64 = calendar::DAY_MS;
/// The wait that is reported for [`Limit::Concurrent`]. The actual wait is unknown.
pub(super) const SOON_MS: i64 = 1_000;

/// A request that is to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// A random id of the request.
    pub id: u64,
    /// The limits in force for its caller.
    pub ceilings: Ceilings,
    /// The digest of the message id, if the request is a message. Equal digests count once.
    pub message: Option<u64>,
    /// The estimated use.
    pub estimate: Estimate,
    /// True if a request that does not fit is refused. False counts it anyway.
    pub enforce: bool,
}

impl Ask {
    /// Returns the tokens to reserve, at most the limit itself.
    pub(super) fn tokens(&self) -> Option<i64> {
        self.ceilings.of(Limit::TokensDay).map(|most| self.estimate.tokens.min(most))
    }

    /// Returns the nano-dollars to reserve, at most the daily and the monthly limit.
    pub(super) fn usd(&self) -> i64 {
        let most = [Limit::UsdDay, Limit::UsdMonth].into_iter().filter_map(|limit| self.ceilings.of(limit)).min();
        most.map_or(0, |most| self.estimate.usd.min(most))
    }
}

/// The use of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// The use before the request.
    pub used: i64,
    /// Milliseconds until the request fits; 0 if it does.
    pub wait_ms: i64,
}

/// The result of an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// True if the request was counted.
    pub counted: bool,
    /// The use by [`Limit`]; zero for absent limits.
    pub gauges: [Gauge; 6],
}

impl Standing {
    /// Returns the reached limit with the longest wait.
    pub fn over(&self) -> Option<(Limit, Gauge)> {
        let gauges = Limit::ALL.into_iter().zip(self.gauges);
        gauges.filter(|(_, gauge)| gauge.wait_ms > 0).max_by_key(|(_, gauge)| gauge.wait_ms)
    }
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The request was not sent. The reservation is refunded.
    Undone,
    /// The request was sent. What is unknown of its use stays as estimated.
    Used(Used),
    /// As `Used`, but the rest of the use may be found later ([`Counters::correct`]).
    Pending(Used),
}

/// The actual use of budgets; `None` if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens.
    pub tokens: Option<i64>,
    /// Nano-dollars.
    pub usd: Option<i64>,
}

/// Maximum number of reservations of one subject that wait for their use. A further one stays as estimated for good.
pub(super) const MOST_PENDING: usize = 1000;

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
    /// The message, unless it repeats one.
    message: Option<u64>,
    charged: Charged,
}

/// All counters of one subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Time and id of the requests in the last minute.
    #[serde(rename = "r", default, skip_serializing_if = "VecDeque::is_empty")]
    requests: VecDeque<(i64, u64)>,
    /// Time and digest of the messages in the last day.
    #[serde(rename = "m", default, skip_serializing_if = "VecDeque::is_empty")]
    messages: VecDeque<(i64, u64)>,
    #[serde(rename = "d", default)]
    day: i64,
    #[serde(rename = "t", default)]
    tokens: i64,
    #[serde(rename = "u", default)]
    usd_day: i64,
    #[serde(rename = "mo", default)]
    month: i64,
    #[serde(rename = "um", default)]
    usd_month: i64,
    /// Running requests. Not stored, because none run after a restart; their estimates stay charged.
    #[serde(skip)]
    open: HashMap<u64, Open>,
    /// Ended requests whose use may be found later.
    #[serde(rename = "p", default, skip_serializing_if = "HashMap::is_empty")]
    pending: HashMap<u64, Charged>,
}

impl Counters {
    /// Removes expired entries and starts new days and months.
    fn advance(&mut self, now: i64) {
        for (log, span) in [(&mut self.requests, MINUTE_MS), (&mut self.messages, WINDOW_MS)] {
            while log.front().is_some_and(|(at, _)| *at <= now - span) {
                log.pop_front();
            }
        }
        // A clock that was set back, or a late report after an outage, does not restart an earlier day.
        if self.day < calendar::day(now) {
            (self.day, self.tokens, self.usd_day) = (calendar::day(now), 0, 0);
            // Only those of a monthly budget are still in a sum.
            self.pending.retain(|_, charged| charged.usd_month.is_some());
        }
        if self.month < calendar::month(now) {
            (self.month, self.usd_month) = (calendar::month(now), 0);
            self.pending.clear();
        }
    }

    /// Returns true if all counters are zero or expired.
    pub(super) fn is_idle(&mut self, now: i64) -> bool {
        self.advance(now);
        self.open.is_empty()
            && self.pending.is_empty()
            && self.requests.is_empty()
            && self.messages.is_empty()
            && (self.tokens, self.usd_day, self.usd_month) == (0, 0, 0)
    }

    /// Returns the use of each limit and whether the request fits.
    fn gauges(&self, ask: &Ask, new_message: bool, now: i64) -> [Gauge; 6] {
        let window = |log: &VecDeque<(i64, u64)>, span: i64, most: i64| {
            let used = i64::try_from(log.len()).unwrap_or(i64::MAX);
            let oldest = usize::try_from(used - most).ok().and_then(|index| log.get(index));
            Gauge { used, wait_ms: oldest.map_or(0, |(at, _)| at + span - now) }
        };
        let budget = |used: i64, more: i64, most: i64, until: i64| Gauge {
            used,
            wait_ms: if used.saturating_add(more) > most { until - now } else { 0 },
        };
        let (day, month) = (calendar::next_day_ms(now), calendar::next_month_ms(now));
        Limit::ALL.map(|limit| {
            let Some(most) = ask.ceilings.of(limit) else { return Gauge::default() };
            match limit {
                Limit::Rpm => window(&self.requests, MINUTE_MS, most),
                Limit::Messages => {
                    let gauge = window(&self.messages, WINDOW_MS, most);
                    // A request that is not a message, or repeats one, fits.
                    Gauge { wait_ms: if new_message { gauge.wait_ms } else { 0 }, ..gauge }
                }
                Limit::Concurrent => {
                    let used = i64::try_from(self.open.len()).unwrap_or(i64::MAX);
                    Gauge { used, wait_ms: if used >= most { SOON_MS } else { 0 } }
                }
                Limit::TokensDay => budget(self.tokens, ask.tokens().unwrap_or(0), most, day),
                Limit::UsdDay => budget(self.usd_day, ask.usd(), most, day),
                Limit::UsdMonth => budget(self.usd_month, ask.usd(), most, month),
            }
        })
    }

    /// Counts a request if it fits or `enforce` is false.
    pub fn reserve(&mut self, ask: &Ask, now: i64) -> Standing {
        self.advance(now);
        let counts_messages = ask.ceilings.of(Limit::Messages).is_some();
        let new_message =
            ask.message.is_some_and(|id| counts_messages && !self.messages.iter().any(|(_, known)| *known == id));
        let gauges = self.gauges(ask, new_message, now);
        let counted = !ask.enforce || gauges.iter().all(|gauge| gauge.wait_ms == 0);
        if counted {
            self.count(ask, new_message, now);
        }
        Standing { counted, gauges }
    }

    fn count(&mut self, ask: &Ask, new_message: bool, now: i64) {
        if ask.ceilings.of(Limit::Rpm).is_some() {
            insert(&mut self.requests, (now, ask.id));
        }
        let message = ask.message.filter(|_| new_message);
        if let Some(message) = message {
            insert(&mut self.messages, (now, message));
        }
        let usd = ask.usd();
        let charged = Charged {
            day: self.day,
            month: self.month,
            tokens: ask.tokens(),
            usd_day: ask.ceilings.of(Limit::UsdDay).map(|_| usd),
            usd_month: ask.ceilings.of(Limit::UsdMonth).map(|_| usd),
        };
        self.tokens += charged.tokens.unwrap_or(0);
        self.usd_day += charged.usd_day.unwrap_or(0);
        self.usd_month += charged.usd_month.unwrap_or(0);
        self.open.insert(ask.id, Open { message, charged });
    }

    /// Replaces a request's reservation by its actual use. Further calls for the same request have no effect.
    pub fn settle(&mut self, id: u64, settlement: Settlement, now: i64) {
        self.advance(now);
        let Some(Open { message, charged }) = self.open.remove(&id) else { return };
        let used = match settlement {
            Settlement::Used(used) | Settlement::Pending(used) => used,
            Settlement::Undone => {
                self.requests.retain(|(_, request)| *request != id);
                if let Some(message) = message {
                    self.messages.retain(|(_, known)| *known != message);
                }
                Used { tokens: Some(0), usd: Some(0) }
            }
        };
        self.exchange(charged, used);
        let rest = charged.rest(used);
        let is_current = rest.month == self.month && !rest.is_empty();
        if matches!(settlement, Settlement::Pending(_)) && is_current && self.pending.len() < MOST_PENDING {
            self.pending.insert(id, rest);
        }
    }

    /// Replaces the estimates of a request that was settled as pending by its use. What is unknown stays as estimated for
    /// good. Further calls for the same request have no effect.
    pub fn correct(&mut self, id: u64, used: Used, now: i64) {
        self.advance(now);
        if let Some(charged) = self.pending.remove(&id) {
            self.exchange(charged, used);
        }
    }

    /// Exchanges estimates for the use in the sums that contain them. A day or month that is over has no sum.
    fn exchange(&mut self, charged: Charged, used: Used) {
        let exchange = |sum: &mut i64, reserved: Option<i64>, took: Option<i64>| {
            if let Some((reserved, took)) = reserved.zip(took) {
                *sum = sum.saturating_add(took - reserved);
            }
        };
        if charged.day == self.day {
            exchange(&mut self.tokens, charged.tokens, used.tokens);
            exchange(&mut self.usd_day, charged.usd_day, used.usd);
        }
        if charged.month == self.month {
            exchange(&mut self.usd_month, charged.usd_month, used.usd);
        }
    }

    /// Returns the current use without counting a request.
    pub fn look(&mut self, ceilings: Ceilings, now: i64) -> [Gauge; 6] {
        self.advance(now);
        let ask = Ask { id: 0, ceilings, message: Some(0), estimate: Estimate { tokens: 0, usd: 0 }, enforce: true };
        let mut gauges = self.gauges(&ask, true, now);
        for (limit, gauge) in Limit::ALL.into_iter().zip(&mut gauges) {
            exhausted(limit, ceilings, gauge, now);
        }
        gauges
    }
}

/// Sets the wait of a budget that is exactly used up. For display it counts as reached.
pub(super) fn exhausted(limit: Limit, ceilings: Ceilings, gauge: &mut Gauge, now: i64) {
    if limit.is_budget() && ceilings.of(limit).is_some_and(|most| gauge.used >= most) {
        let month = limit == Limit::UsdMonth;
        gauge.wait_ms = if month { calendar::next_month_ms(now) } else { calendar::next_day_ms(now) } - now;
    }
}

/// Inserts into a log in order of time, even if the clock was set back.
fn insert(log: &mut VecDeque<(i64, u64)>, mark: (i64, u64)) {
    let place = log.iter().rposition(|(at, _)| *at <= mark.0).map_or(0, |index| index + 1);
    log.insert(place, mark);
}

#[cfg(test)]
mod tests;
