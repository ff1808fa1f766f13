//! The reasons for refusing a request, with messages for the caller. The gateway turns them into responses.

use super::counters::Gauge;
use callsign_core::allowance::{Ceilings, Limit};

/// A reason for refusing a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsRefusedError {
    /// The operator has blocked the caller.
    #[error("the operator of this service has blocked this user; contact the operator if this is a mistake")]
    Blocked,
    /// A limit is reached.
    #[error("{}", .0.message())]
    Over(Over),
    /// The store is unavailable, and `limits.on_store_failure` is `deny`.
    #[error("limits cannot be checked because their store is unavailable; retry later")]
    Unavailable,
}

/// A reached limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// The reached limit; of several, the one with the longest wait.
    pub limit: Limit,
    /// The limits in force.
    pub ceilings: Ceilings,
    /// The use of each limit.
    pub gauges: [Gauge; 6],
}

impl Over {
    /// Returns the seconds until a retry can succeed, at least 1.
    pub fn retry_after(&self) -> u32 {
        seconds(self.gauges[self.limit as usize].wait_ms).max(1)
    }

    fn message(&self) -> String {
        let most = self.limit.shown(self.ceilings.of(self.limit).unwrap_or_default());
        let wait = span(self.retry_after());
        match self.limit {
            Limit::Rpm => format!("you have sent the {most} requests that you may in a minute; try again in {wait}"),
            Limit::Messages => {
                format!("you have sent the {most} messages that you may in 24 hours; try again in {wait}")
            }
            Limit::Concurrent => {
                format!(
                    "{most} of your requests are running, as many as you may have at a time; wait until one has ended"
                )
            }
            Limit::TokensDay => {
                format!("your budget of {most} tokens for today (UTC) is used up; it is renewed in {wait}")
            }
            Limit::UsdDay => format!("your budget of ${most} for today (UTC) is used up; it is renewed in {wait}"),
            Limit::UsdMonth => {
                format!("your budget of ${most} for this month (UTC) is used up; it is renewed in {wait}")
            }
        }
    }

    /// Returns the rate-limit headers, in OpenAI's format.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        for (limit, gauge) in Limit::ALL.into_iter().zip(self.gauges) {
            let Some(most) = self.ceilings.of(limit) else { continue };
            let [name_most, name_left, name_reset] = names(limit);
            headers.push((name_most, limit.shown(most)));
            headers.push((name_left, limit.shown((most - gauge.used).max(0))));
            headers.push((name_reset, span(seconds(gauge.wait_ms))));
        }
        headers
    }
}

fn names(limit: Limit) -> [&'static str; 3] {
    match limit {
        Limit::Rpm => ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        Limit::Messages => {
            ["x-ratelimit-limit-messages", "x-ratelimit-remaining-messages", "x-ratelimit-reset-messages"]
        }
        Limit::Concurrent => {
            ["x-ratelimit-limit-concurrent", "x-ratelimit-remaining-concurrent", "x-ratelimit-reset-concurrent"]
        }
        Limit::TokensDay => ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
        Limit::UsdDay => ["x-ratelimit-limit-usd-day", "x-ratelimit-remaining-usd-day", "x-ratelimit-reset-usd-day"],
        Limit::UsdMonth => {
            ["x-ratelimit-limit-usd-month", "x-ratelimit-remaining-usd-month", "x-ratelimit-reset-usd-month"]
        }
    }
}

/// Converts milliseconds to whole seconds, rounded up.
fn seconds(wait_ms: i64) -> u32 {
    u32::try_from(wait_ms.max(0).saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

/// Formats seconds as `1h2m3s`, with the largest two or three units.
pub fn span(seconds: u32) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    for (amount, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm'), (rest, 's')] {
        if amount > 0 {
            text.push_str(&amount.to_string());
            text.push(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_used_up_and_when_it_comes_back() {
        let ceilings = Ceilings([Some(60), None, None, None, Some(2_500_000_000), None]);
        let mut gauges = [Gauge::default(); 6];
        gauges[0] = Gauge { used: 12, wait_ms: 0 };
        gauges[4] = Gauge { used: 2_600_000_000, wait_ms: 3_723_001 };
        let over = Over { limit: Limit::UsdDay, ceilings, gauges };
        assert_eq!(over.retry_after(), 3724);
        assert_eq!(
            LimitsRefusedError::Over(over.clone()).to_string(),
            "your budget of $2.5 for today (UTC) is used up; it is renewed in 1h2m4s"
        );
        let expected = [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "48"),
            ("x-ratelimit-reset-requests", "0s"),
            ("x-ratelimit-limit-usd-day", "2.5"),
            ("x-ratelimit-remaining-usd-day", "0"),
            ("x-ratelimit-reset-usd-day", "1h2m4s"),
        ];
        assert_eq!(over.headers(), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn spans_read_like_openais() {
        for (seconds, text) in [(0, "0s"), (1, "1s"), (60, "1m"), (3600, "1h"), (90_061, "1d1h1m1s")] {
            assert_eq!(span(seconds), text);
        }
    }
}
