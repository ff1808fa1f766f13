//! The arithmetic of the six limits for one subject: what is used, whether a request fits, and when it would. Pure: the time
//! is an argument. `reserve.lua` and `settle.lua` do exactly the same in Redis; one suite holds both to it.
//!
//! Requests and messages are logs of their moments, so that a window is exact whenever one looks. A budget is one sum per
//! day or month, into which a request's estimate goes at once; when it ends, the estimate is exchanged for what it really
//! took. So an estimate that is never exchanged (a crash) stays charged.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use callsign_core::allowance::{Ceilings, Estimate, Limit};
use super::calendar;

/// The window of [`Limit::Rpm`].
pub(super) const MINUTE_MS: i64 = 60_000;
/// The window of [`Limit::Messages`].
pub(super) const WINDOW_MS: i64 = calendar::DAY_MS;
/// How long to wait for somebody else's request to end; nobody knows.
pub(super) const SOON_MS: i64 = 1_000;

/// A request that wants to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its own number, chosen at random.
    pub id: u64,
    /// The limits in force for its caller.
    pub ceilings: Ceilings,
    /// Whether it is a message, and which: equal ones count once.
    pub message: Option<u64>,
    /// What it is taken to use.
    pub estimate: Estimate,
    /// Whether it is refused if it does not fit; otherwise it is counted all the same.
    pub enforce: bool,
}

impl Ask {
    /// The tokens that it reserves; an estimate never asks for more than there is in all.
    pub(super) fn tokens(&self) -> Option<i64> {
        self.ceilings.of(Limit::TokensDay).map(|most| self.estimate.tokens.min(most))
    }

    /// The nano-dollars that it reserves, of the day and of the month.
    pub(super) fn usd(&self) -> i64 {
        let most = [Limit::UsdDay, Limit::UsdMonth].into_iter().filter_map(|limit| self.ceilings.of(limit)).min();
        most.map_or(0, |most| self.estimate.usd.min(most))
    }
}

/// What is used of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// So much, before the request.
    pub used: i64,
    /// Milliseconds until a request would fit; 0 when it does.
    pub wait_ms: i64,
}

/// What became of an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it was counted.
    pub counted: bool,
    /// What was used, by [`Limit`]; zero where there is no limit.
    pub gauges: [Gauge; 6],
}

impl Standing {
    /// The limit that is reached and takes longest to come back.
    pub fn over(&self) -> Option<(Limit, Gauge)> {
        let gauges = Limit::ALL.into_iter().zip(self.gauges);
        gauges.filter(|(_, gauge)| gauge.wait_ms > 0).max_by_key(|(_, gauge)| gauge.wait_ms)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing of it has left: it has never been.
    Undone,
    /// It took so much; `None` where nobody said.
    Used {
        /// Tokens.
        tokens: Option<i64>,
        /// Nano-dollars.
        usd: Option<i64>,
    },
}

/// What a request has added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    /// The message, unless it repeats one.
    message: Option<u64>,
    day: i64,
    month: i64,
    tokens: Option<i64>,
    usd_day: Option<i64>,
    usd_month: Option<i64>,
}

/// Everything that is counted of one subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Requests of the last minute: when, and which.
    #[serde(rename = "r", default, skip_serializing_if = "VecDeque::is_empty")]
    requests: VecDeque<(i64, u64)>,
    /// Messages of the last day.
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
    /// What runs. Not kept over a restart: nothing runs then, and what it reserved stays charged.
    #[serde(skip)]
    open: HashMap<u64, Open>,
}

impl Counters {
    /// Forgets what no window reaches any more.
    fn advance(&mut self, now: i64) {
        for (log, span) in [(&mut self.requests, MINUTE_MS), (&mut self.messages, WINDOW_MS)] {
            while log.front().is_some_and(|(at, _)| *at <= now - span) {
                log.pop_front();
            }
        }
        // A clock that was set back, or a late word from an outage, never begins a day anew.
        if self.day < calendar::day(now) {
            (self.day, self.tokens, self.usd_day) = (calendar::day(now), 0, 0);
        }
        if self.month < calendar::month(now) {
            (self.month, self.usd_month) = (calendar::month(now), 0);
        }
    }

    /// Whether nothing is left to know.
    pub(super) fn is_idle(&mut self, now: i64) -> bool {
        self.advance(now);
        self.open.is_empty()
            && self.requests.is_empty()
            && self.messages.is_empty()
            && (self.tokens, self.usd_day, self.usd_month) == (0, 0, 0)
    }

    /// What is used, for these limits, and whether the request would fit.
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
                    // What is no message, or one that counts already, always fits.
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

    /// Counts a request if it fits, or is to be counted anyway.
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
        let open = Open {
            message,
            day: self.day,
            month: self.month,
            tokens: ask.tokens(),
            usd_day: ask.ceilings.of(Limit::UsdDay).map(|_| usd),
            usd_month: ask.ceilings.of(Limit::UsdMonth).map(|_| usd),
        };
        self.tokens += open.tokens.unwrap_or(0);
        self.usd_day += open.usd_day.unwrap_or(0);
        self.usd_month += open.usd_month.unwrap_or(0);
        self.open.insert(ask.id, open);
    }

    /// Exchanges what a request has reserved for what it took. A second time nothing happens.
    pub fn settle(&mut self, id: u64, settlement: Settlement, now: i64) {
        self.advance(now);
        let Some(open) = self.open.remove(&id) else { return };
        let (tokens, usd) = match settlement {
            Settlement::Used { tokens, usd } => (tokens, usd),
            Settlement::Undone => {
                self.requests.retain(|(_, request)| *request != id);
                if let Some(message) = open.message {
                    self.messages.retain(|(_, known)| *known != message);
                }
                (Some(0), Some(0))
            }
        };
        let exchange = |sum: &mut i64, reserved: Option<i64>, took: Option<i64>| {
            if let Some((reserved, took)) = reserved.zip(took) {
                *sum = sum.saturating_add(took - reserved);
            }
        };
        if open.day == self.day {
            exchange(&mut self.tokens, open.tokens, tokens);
            exchange(&mut self.usd_day, open.usd_day, usd);
        }
        if open.month == self.month {
            exchange(&mut self.usd_month, open.usd_month, usd);
        }
    }

    /// What is used now; nothing is counted.
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

/// For who looks, a budget is used up when nothing is left, not only when it is overdrawn.
pub(super) fn exhausted(limit: Limit, ceilings: Ceilings, gauge: &mut Gauge, now: i64) {
    if limit.is_budget() && ceilings.of(limit).is_some_and(|most| gauge.used >= most) {
        let month = limit == Limit::UsdMonth;
        gauge.wait_ms = if month { calendar::next_month_ms(now) } else { calendar::next_day_ms(now) } - now;
    }
}

/// Keeps a log in order even when the clock was set back.
fn insert(log: &mut VecDeque<(i64, u64)>, mark: (i64, u64)) {
    let place = log.iter().rposition(|(at, _)| *at <= mark.0).map_or(0, |index| index + 1);
    log.insert(place, mark);
}

#[cfg(test)]
mod tests;
