//! What may be used: six limits, each set for everybody, for a tenant's callers, for those of a key, or for one person.
//! Pure data.

use std::str::FromStr;

use crate::ledger::NanoUsd;

/// What is limited. The order is that of every list of six in this room, the scripts' too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Requests in any 60 seconds.
    Rpm,
    /// Messages in any 24 hours.
    Messages,
    /// Requests whose answer has not ended.
    Concurrent,
    /// Tokens of a day (UTC).
    TokensDay,
    /// Nano-dollars of a day (UTC).
    UsdDay,
    /// Nano-dollars of a month (UTC).
    UsdMonth,
}

impl Limit {
    /// Every one, in order.
    pub const ALL: [Self; 6] =
        [Self::Rpm, Self::Messages, Self::Concurrent, Self::TokensDay, Self::UsdDay, Self::UsdMonth];

    /// Its name in settings, metrics and answers to the operator.
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

    /// Whether it is about money.
    pub fn is_money(self) -> bool {
        matches!(self, Self::UsdDay | Self::UsdMonth)
    }

    /// Whether it takes the answer to know what was used.
    pub fn is_budget(self) -> bool {
        self.is_money() || self == Self::TokensDay
    }

    /// An amount as people read it: dollars for money.
    pub fn shown(self, amount: i64) -> String {
        if self.is_money() { NanoUsd(amount).to_string() } else { amount.to_string() }
    }
}

/// The most that is not "no limit": keeps sums within what Lua's numbers hold exactly (2^53).
const MOST: i64 = 1_000_000_000_000_000;

/// What one setting says about one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// There is none.
    Off,
    /// So much.
    At(i64),
}

impl Ceiling {
    /// Reads a setting of this limit.
    ///
    /// # Errors
    /// Says what it takes.
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
}

/// What one place of the configuration says; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance(pub [Option<Ceiling>; 6]);

impl Allowance {
    /// This one, and `below` where it says nothing.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index].or(below.0[index])))
    }

    /// What is in force.
    pub fn ceilings(self) -> Ceilings {
        Ceilings(self.0.map(|ceiling| match ceiling {
            Some(Ceiling::At(amount)) => Some(amount),
            Some(Ceiling::Off) | None => None,
        }))
    }

    /// Whether it sets any limit.
    pub fn is_any(self) -> bool {
        self.ceilings().is_any()
    }
}

/// The limits in force for one caller; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings(pub [Option<i64>; 6]);

impl Ceilings {
    /// That of one limit.
    pub fn of(self, limit: Limit) -> Option<i64> {
        self.0[limit as usize]
    }

    /// Whether there is any.
    pub fn is_any(self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// Whether what an answer says matters.
    pub fn has_budget(self) -> bool {
        Limit::ALL.into_iter().any(|limit| limit.is_budget() && self.of(limit).is_some())
    }
}

/// What a request is taken to use until it is known.
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
    fn ceilings_are_numbers_or_off(#[case] limit: Limit, #[case] text: &str, #[case] expected: Option<Ceiling>) {
        assert_eq!(Ceiling::parse(limit, text).ok(), expected, "{text}");
    }

    #[test]
    fn a_closer_word_wins_and_off_lifts_a_limit() {
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
