//! List prices. A token can cost less than a nano-dollar, so they are counted in pico-dollars.

use super::money::{self, NanoUsd};

/// Decimal places of a pico-dollar.
const PICO: usize = 12;
/// Pico-dollars per nano-dollar.
const NANO: u128 = 1000;

/// A price in pico-USD (10⁻¹² US dollars) per token or request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u64);

impl PicoUsd {
    /// Parses dollars as [`NanoUsd::parse`] does. Fractions of a pico-dollar are rounded half up. Amounts over
    /// `u64::MAX` pico-dollars (18 million dollars) are none.
    pub fn parse(text: &str) -> Option<Self> {
        money::scaled(text, PICO).map(Self)
    }

    /// Returns the price of `count` units, rounded up, so that a reservation covers it.
    pub fn times(self, count: u64) -> NanoUsd {
        let nano = (u128::from(self.0) * u128::from(count)).div_ceil(NANO);
        NanoUsd(i64::try_from(nano).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_below_a_nano_dollar_are_exact() {
        for (text, pico) in [
            ("\"0.00000015\"", 150_000),
            ("0.0000000000375", 38),
            ("3.75e-11", 38),
            ("0.00000000375", 3_750),
            ("0", 0),
            ("18446744.073709551615", u64::MAX),
        ] {
            assert_eq!(PicoUsd::parse(text), Some(PicoUsd(pico)), "{text}");
        }
        for text in ["-1", "\"-1\"", "", "null", "18446744.073709551616"] {
            assert_eq!(PicoUsd::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_price_of_tokens_is_rounded_up() {
        for (pico, count, nano) in [(0, 5, 0), (1, 1, 1), (1, 1000, 1), (1, 1001, 2), (3_750, 2, 8), (150_000, 7, 1050)]
        {
            assert_eq!(PicoUsd(pico).times(count), NanoUsd(nano), "{pico} × {count}");
        }
        assert_eq!(PicoUsd(u64::MAX).times(u64::MAX), NanoUsd(i64::MAX));
    }
}
