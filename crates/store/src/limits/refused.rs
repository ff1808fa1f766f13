//! The reasons for refusing a request, with messages for the caller. The gateway turns them into responses.

use super::ask::{Ask, Standing};
use super::rates::Rates;
use super::rules::Scope;
use super::span::{seconds, span};
use callsign_core::allowance::Limit;

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
    /// Everything that the limit counts for.
    pub scope: Scope,
    /// The reached limit; of several, the one with the longest wait.
    pub limit: Limit,
    /// The amount of the limit.
    most: i64,
    /// The use before the request.
    used: i64,
    /// The amount that the request takes.
    needs: i64,
    wait_ms: i64,
    /// The limits of the caller, for headers.
    pub rates: Rates,
}

/// Returns the name of a limit in logs, ledger and metrics.
pub(super) fn name(scope: Scope, limit: Limit) -> &'static str {
    let [caller, key, tenant, account] = match limit {
        Limit::Rpm => ["rpm", "key.rpm", "tenant.rpm", "account.rpm"],
        Limit::Messages => ["messages_24h", "key.messages_24h", "tenant.messages_24h", "account.messages_24h"],
        Limit::Concurrent => ["concurrent", "key.concurrent", "tenant.concurrent", "account.concurrent"],
        Limit::TokensDay => ["tokens_day", "key.tokens_day", "tenant.tokens_day", "account.tokens_day"],
        Limit::UsdDay => ["usd_day", "key.usd_day", "tenant.usd_day", "account.usd_day"],
        Limit::UsdMonth => ["usd_month", "key.usd_month", "tenant.usd_month", "account.usd_month"],
    };
    match scope {
        Scope::Caller => caller,
        Scope::Key => key,
        Scope::Tenant => tenant,
        Scope::Account => account,
    }
}

impl Over {
    /// Returns the limit with the longest wait, of all subjects of a request; `None` if the request fits.
    pub(super) fn of(scopes: &[(Scope, Ask)], standings: &[Standing]) -> Option<Self> {
        let over = scopes.iter().zip(standings).filter_map(|((scope, ask), standing)| {
            let (limit, gauge) = standing.over()?;
            Some((*scope, ask, limit, gauge))
        });
        let (scope, ask, limit, gauge) = over.max_by_key(|(.., gauge)| gauge.wait_ms)?;
        Some(Self {
            scope,
            limit,
            most: ask.ceilings.of(limit).unwrap_or_default(),
            used: gauge.used,
            needs: ask.needs(limit),
            wait_ms: gauge.wait_ms,
            rates: Rates::default(),
        })
    }

    /// Returns the name of the limit in logs, ledger and metrics.
    pub fn name(&self) -> &'static str {
        name(self.scope, self.limit)
    }

    /// Returns the seconds until a retry can succeed, at least 1.
    pub fn retry_after(&self) -> u32 {
        seconds(self.wait_ms).max(1)
    }

    fn message(&self) -> String {
        let wait = span(self.retry_after());
        if self.scope != Scope::Caller {
            // Figures would show what others use.
            return format!(
                "this service has reached a limit that its operator has set for all its users; try again in {wait}"
            );
        }
        let amount = |amount| format!("{}{}", if self.limit.is_money() { "$" } else { "" }, self.limit.shown(amount));
        let (most, left) = (amount(self.most), amount((self.most - self.used).max(0)));
        let needs = amount(self.needs);
        let name = self.limit.name();
        match self.limit {
            Limit::Rpm => format!(
                "the limit {name} is reached: {left} of {most} requests in a minute are left; try again in {wait}"
            ),
            Limit::Messages => {
                format!(
                    "the limit {name} is reached: {left} of {most} messages in 24 hours are left; try again in {wait}"
                )
            }
            Limit::Concurrent => format!(
                "the limit {name} is reached: {most} of your requests are running, as many as you may have at a time; wait \
                 until one has ended"
            ),
            Limit::TokensDay => format!(
                "the limit {name} is reached: {left} of {most} tokens for today are left, and this request would reserve \
                 {needs}; it fits in {wait}"
            ),
            Limit::UsdDay => format!(
                "the limit {name} is reached: {left} of {most} for today are left, and this request would reserve {needs}; \
                 it fits in {wait}"
            ),
            Limit::UsdMonth => format!(
                "the limit {name} is reached: {left} of {most} for this month are left, and this request would reserve \
                 {needs}; it fits in {wait}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ask::Gauge;
    use callsign_core::allowance::{Ceilings, Estimate};

    fn standing(limit: Limit, used: i64, wait_ms: i64) -> Standing {
        let mut gauges = [Gauge::default(); 6];
        gauges[0] = Gauge { used: 12, wait_ms: 0 };
        gauges[limit as usize] = Gauge { used, wait_ms };
        Standing { counted: false, gauges }
    }

    const ASK: Ask = Ask {
        id: 1,
        ceilings: Ceilings([Some(60), None, None, None, Some(2_500_000_000), None]),
        message: None,
        estimate: Estimate { tokens: 2000, usd: 10_000_000 },
        enforce: true,
    };

    #[test]
    fn a_refusal_names_the_limit_what_is_left_what_is_needed_and_when_it_fits() {
        let over = Over::of(&[(Scope::Caller, ASK)], &[standing(Limit::UsdDay, 2_495_000_000, 3_723_001)]).unwrap();
        assert_eq!((over.retry_after(), over.name()), (3724, "usd_day"));
        assert_eq!(
            LimitsRefusedError::Over(over).to_string(),
            "the limit usd_day is reached: $0.005 of $2.5 for today are left, and this request would reserve $0.01; it fits \
             in 1h2m4s"
        );
        assert_eq!(Over::of(&[(Scope::Caller, ASK)], &[standing(Limit::UsdDay, 0, 0)]), None);
    }

    #[test]
    fn a_refusal_by_a_total_has_a_time_and_no_figures() {
        let scopes = [(Scope::Caller, ASK), (Scope::Account, ASK)];
        let standings = [standing(Limit::Rpm, 60, 1000), standing(Limit::UsdDay, 2_495_000_000, 3_723_001)];
        let over = Over::of(&scopes, &standings).unwrap();
        assert_eq!(over.name(), "account.usd_day");
        let message = over.message();
        assert!(message.contains("1h2m4s") && !message.contains("2.5") && !message.contains("usd"), "{message}");
    }
}
