//! The `x-ratelimit-*` headers about a caller's limits, in OpenAI's format (docs/SPEC.md#limit-refusals).

use super::ask::{Ask, Standing};
use super::span::{seconds, span};
use callsign_core::allowance::Limit;

/// The limits of one caller and what is left of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(Vec<Rate>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    limit: Limit,
    most: i64,
    used: i64,
    wait_ms: i64,
}

impl Rates {
    /// Returns the state of a caller's limits after a request, or before it if it was not counted.
    pub(super) fn of(ask: &Ask, standing: &Standing) -> Self {
        let rates = Limit::ALL.into_iter().zip(standing.gauges).filter_map(|(limit, gauge)| {
            let most = ask.ceilings.of(limit)?;
            let own = if standing.counted { ask.needs(limit) } else { 0 };
            Some(Rate { limit, most, used: gauge.used.saturating_add(own), wait_ms: gauge.wait_ms })
        });
        Self(rates.collect())
    }

    /// Returns names and values of the headers.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().flat_map(|Rate { limit, most, used, wait_ms }| {
            let [name_most, name_left, name_reset] = names(*limit);
            [
                (name_most, limit.shown(*most)),
                (name_left, limit.shown((most - used).max(0))),
                (name_reset, span(seconds(*wait_ms))),
            ]
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ask::Gauge;
    use callsign_core::allowance::{Ceilings, Estimate};

    #[test]
    fn each_limit_has_three_headers() {
        let ceilings = Ceilings([Some(60), None, None, None, Some(2_500_000_000), None]);
        let estimate = Estimate { tokens: 2000, usd: 10_000_000 };
        let ask = Ask { id: 1, ceilings, message: None, estimate, enforce: true };
        let mut gauges = [Gauge::default(); 6];
        gauges[0] = Gauge { used: 12, wait_ms: 0 };
        gauges[4] = Gauge { used: 2_600_000_000, wait_ms: 3_723_001 };
        let refused = Rates::of(&ask, &Standing { counted: false, gauges });
        let expected = [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "48"),
            ("x-ratelimit-reset-requests", "0s"),
            ("x-ratelimit-limit-usd-day", "2.5"),
            ("x-ratelimit-remaining-usd-day", "0"),
            ("x-ratelimit-reset-usd-day", "1h2m4s"),
        ];
        assert!(refused.headers().eq(expected.map(|(name, value)| (name, value.to_owned()))));
        gauges[4] = Gauge { used: 0, wait_ms: 0 };
        let counted: Vec<_> = Rates::of(&ask, &Standing { counted: true, gauges }).headers().collect();
        assert_eq!((&*counted[1].1, &*counted[4].1), ("47", "2.49"));
    }
}
