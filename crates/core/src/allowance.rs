//! The six usage limits and their configured values.
//!
//! Each limit can be set globally, for a tenant, for a key or for one user; the most specific setting wins
//! (`docs/SPEC.md#limit-subjects`). This module is pure data: counting and enforcement are in the store crate.

use std::str::FromStr;

use crate::usage::money::NanoUsd;

/// A kind of limit. The order is the index into [`Allowance`] and [`Ceilings`], and the order in the Redis scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Requests in any 60 seconds.
    Rpm,
    /// Messages in any 24 hours.
    Messages,
    /// Requests whose response has not ended.
    Concurrent,
    /// Tokens per UTC day.
    TokensDay,
    /// Nano-dollars per UTC day.
    UsdDay,
    /// Nano-dollars per UTC month.
    UsdMonth,
}

impl Limit {
    /// All kinds, in order.
    pub const ALL: [Self; 6] =
        [Self::Rpm, Self::Messages, Self::Concurrent, Self::TokensDay, Self::UsdDay, Self::UsdMonth];

    /// Returns the name in settings, metrics and the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Messages => "messages_24h",
            Self::Concurrent => "concurrent",
            Self::TokensDay => "tokens_day",
            Self::UsdDay => "usd_day",
            Self::UsdMonth => "usd_month",
        }
    }

    /// Returns the limit with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// Returns true for amounts of money (in nano-dollars).
    pub fn is_money(self) -> bool {
        matches!(self, Self::UsdDay | Self::UsdMonth)
    }

    /// Returns true if the amount used is known only from the response (tokens, cost).
    pub fn is_budget(self) -> bool {
        self.is_money() || self == Self::TokensDay
    }

    /// Formats an amount for display; money is shown in dollars.
    pub fn shown(self, amount: i64) -> String {
        if self.is_money() { NanoUsd(amount).to_string() } else { amount.to_string() }
    }
}

/// The largest configurable limit, 10^15. It keeps sums below 2^53, up to which Lua's numbers are exact.
const MOST: i64 = 1_000_000_000_000_000;

/// The value of one limit setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// No limit.
    Off,
    /// A limit of this amount.
    At(i64),
}

impl Ceiling {
    /// Parses a setting: `off`, dollars for a limit on money, else a whole number.
    ///
    /// # Errors
    /// A message that states the accepted values.
    pub fn parse(limit: Limit, text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text == "off" {
            return Ok(Self::Off);
        }
        let (amount, message) = if limit.is_money() {
            (NanoUsd::parse(text).map(|usd| usd.0), "takes an amount of US dollars from 0.000000001 to 1000000, or off")
        } else {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            (digits.then(|| i64::from_str(text).ok()).flatten(), "takes a whole number from 1 to 10^15, or off")
        };
        amount.filter(|amount| (1..=MOST).contains(amount)).map(Self::At).ok_or(message)
    }

    /// Formats the value as [`Self::parse`] reads it.
    pub fn shown(self, limit: Limit) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::At(amount) => limit.shown(amount),
        }
    }
}

/// The limit settings of one scope (global, tenant, key or user); `None` where the scope does not set a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance(pub [Option<Ceiling>; 6]);

impl Allowance {
    /// Returns these settings, with gaps filled from `below`, the next wider scope.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index].or(below.0[index])))
    }

    /// Returns the limits in force.
    pub fn ceilings(self) -> Ceilings {
        Ceilings(self.0.map(|ceiling| match ceiling {
            Some(Ceiling::At(amount)) => Some(amount),
            Some(Ceiling::Off) | None => None,
        }))
    }

    /// Returns true if any limit is in force.
    pub fn is_any(self) -> bool {
        self.ceilings().is_any()
    }
}

/// The limits in force for one caller; `None` means unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings(pub [Option<i64>; 6]);

impl Ceilings {
    /// Returns the limit of one kind.
    pub fn of(self, limit: Limit) -> Option<i64> {
        self.0[limit as usize]
    }

    /// Returns this limit alone.
    #[must_use]
    pub fn only(self, limit: Limit) -> Self {
        let mut one = Self::default();
        one.0[limit as usize] = self.of(limit);
        one
    }

    /// Returns true if any limit is set.
    pub fn is_any(self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// Returns true if a limit is set whose usage is known only from the response.
    pub fn has_budget(self) -> bool {
        Limit::ALL.into_iter().any(|limit| limit.is_budget() && self.of(limit).is_some())
    }
}

/// The usage reserved for a request until its actual usage is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens.
    pub tokens: i64,
    /// Nano-dollars.
    pub usd: i64,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Limit::Rpm, "60", Some(Ceiling::At(60)))]
    #[case(Limit::Rpm, "off", Some(Ceiling::Off))]
    #[case(Limit::Rpm, "0", None)]
    #[case(Limit::Rpm, "1.5", None)]
    #[case(Limit::Rpm, "-1", None)]
    #[case(Limit::Rpm, "", None)]
    #[case(Limit::Rpm, "1000000000000001", None)]
    #[case(Limit::UsdDay, "2.50", Some(Ceiling::At(2_500_000_000)))]
    #[case(Limit::UsdDay, "0.000000001", Some(Ceiling::At(1)))]
    #[case(Limit::UsdMonth, "0", None)]
    #[case(Limit::UsdMonth, "-1", None)]
    #[case(Limit::UsdMonth, "1000001", None)]
    #[case(Limit::UsdMonth, "$5", None)]
    fn a_limit_is_a_number_or_off(#[case] limit: Limit, #[case] text: &str, #[case] expected: Option<Ceiling>) {
        assert_eq!(Ceiling::parse(limit, text).ok(), expected, "{text}");
    }

    #[test]
    fn the_narrower_scope_wins_and_off_lifts_a_limit() {
        let at = |index: usize, ceiling| {
            let mut allowance = Allowance::default();
            allowance.0[index] = Some(ceiling);
            allowance
        };
        let all = at(0, Ceiling::At(60)).over(at(1, Ceiling::At(100)));
        let user = at(0, Ceiling::Off).over(all);
        assert_eq!(user.ceilings(), Ceilings([None, Some(100), None, None, None, None]));
        assert!(user.is_any() && !at(0, Ceiling::Off).is_any());
        assert!(!user.ceilings().has_budget());
        assert!(at(4, Ceiling::At(1)).ceilings().has_budget());
    }

    #[test]
    fn money_is_shown_in_dollars() {
        assert_eq!(Limit::UsdDay.shown(2_500_000_000), "2.5");
        assert_eq!(Limit::TokensDay.shown(2_500), "2500");
    }
}
