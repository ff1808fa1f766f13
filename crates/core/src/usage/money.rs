//! Amounts of money in whole billionths of a US dollar, so that sums are exact.
//!
//! Amounts are parsed from the number text that OpenRouter wrote and printed as decimal text. This module must not use
//! `f64`, which would round.

use std::fmt;
use std::iter::Sum;

/// Maximum length of a number in bytes. Prices have about 20.
const MAX_TEXT: usize = 64;
/// Decimal places of a nano-dollar.
const NANO: usize = 9;
/// Nano-dollars per dollar.
const DOLLAR: u64 = 1_000_000_000;

/// An amount in nano-USD (10⁻⁹ US dollars).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// Zero dollars.
    pub const ZERO: Self = Self(0);

    /// Parses dollars from decimal text or a JSON number, quoted or not: `0.00042`, `4.2e-4`, `1E-9`, `3`, `"0.1"`.
    /// Fractions of a nano-dollar are rounded half up. Returns `None` for anything else, including a sign, more than 64
    /// bytes, and amounts over `i64::MAX` nano-dollars (9.2 billion dollars).
    pub fn parse(text: &str) -> Option<Self> {
        i64::try_from(scaled(text, NANO)?).ok().map(Self)
    }

    /// Returns the sum, or `None` on overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Returns the sum, limited to the largest amount.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for NanoUsd {
    /// Writes dollars as the shortest decimal text: `0.00126`, `0`, `1.5`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, amount) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (dollars, mut fraction) = (amount / DOLLAR, amount % DOLLAR);
        if fraction == 0 {
            return write!(out, "{sign}{dollars}");
        }
        let mut width = NANO;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        write!(out, "{sign}{dollars}.{fraction:0width$}")
    }
}

impl Sum for NanoUsd {
    /// Returns the sum, limited to the largest amount.
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Parses an unsigned decimal number, quoted or not, times 10^`decimals`. Further digits are rounded half up.
pub(super) fn scaled(text: &str, decimals: usize) -> Option<u64> {
    let text = text.trim_ascii();
    let text = text.strip_prefix('"').map_or(Some(text), |text| text.strip_suffix('"'))?;
    Decimal::read(text)?.shifted(decimals)
}

/// An unsigned decimal number: the digits before and after the written point, and the position of the actual point,
/// which the exponent moves, counted in digits from the start.
struct Decimal<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    point: i64,
}

impl<'a> Decimal<'a> {
    /// Parses `12`, `12.5` or `12.5e-3`.
    fn read(text: &'a str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (digits(whole)?, digits(fraction)?),
            None => (digits(mantissa)?, &[][..]),
        };
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        Some(Self { whole, fraction, point })
    }

    /// Returns the number times 10^`decimals`, rounded half up, or `None` on overflow.
    fn shifted(&self, decimals: usize) -> Option<u64> {
        let all = self.whole.len() + self.fraction.len();
        let mut digits = self.whole.iter().chain(self.fraction).map(|digit| u64::from(digit - b'0')).peekable();
        while digits.next_if_eq(&0).is_some() {}
        let left = digits.clone().count();
        let point = self.point + i64::try_from(decimals).ok()? - i64::try_from(all - left).ok()?;
        if left == 0 || point < 0 {
            return Some(0);
        }
        // The first digit is not 0, so more than 20 digits before the point overflow a `u64`.
        let point = usize::try_from(point).ok().filter(|point| *point <= 20)?;
        let mut value = 0_u64;
        for _ in 0..point {
            value = value.checked_mul(10)?.checked_add(digits.next().unwrap_or(0))?;
        }
        let next = digits.next().unwrap_or(0);
        value.checked_add(u64::from(next >= 5))
    }
}

/// Returns the bytes of `text` if it has only digits, and at least one.
fn digits(text: &str) -> Option<&[u8]> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0.00042", 420_000)]
    #[case("4.2e-4", 420_000)]
    #[case("1E-9", 1)]
    #[case("1e-09", 1)]
    #[case("0.42E-3", 420_000)]
    #[case("42000e-8", 420_000)]
    #[case("0", 0)]
    #[case("0.0", 0)]
    #[case("0e2147483647", 0)]
    #[case("0.000e-2147483648", 0)]
    #[case("3", 3_000_000_000)]
    #[case("1e+2", 100_000_000_000)]
    #[case("\"0.00042\"", 420_000)]
    #[case("  1.5 ", 1_500_000_000)]
    #[case("0.0000000005", 1)]
    #[case("0.00000000049999", 0)]
    #[case("5e-10", 1)]
    #[case("4.9e-10", 0)]
    #[case("9e-11", 0)]
    #[case("1e-2147483648", 0)]
    #[case("0.1234567885", 123_456_789)]
    #[case("0.9999999999", 1_000_000_000)]
    #[case("9223372036.854775807", i64::MAX)]
    #[case("9223372036.8547758074", i64::MAX)]
    fn text_is_read_exactly(#[case] text: &str, #[case] nano: i64) {
        assert_eq!(NanoUsd::parse(text), Some(NanoUsd(nano)), "{text}");
    }

    #[rstest]
    fn other_text_is_refused(
        #[values(
            "",
            " ",
            "-1",
            "-0",
            "+1",
            "null",
            "true",
            "NaN",
            "Infinity",
            "1,5",
            "1.",
            ".5",
            "1e",
            "1e5.0",
            "1e99999999999",
            "0x10",
            "\"1",
            "1\"",
            "\"\"",
            "1 2",
            "1_000",
            "9223372036.854775808",
            "9223372036.8547758075",
            "1e10",
            "1e2147483647",
            "18446744073.709551616",
            "99999999999",
            "00000000000000000000000000000000000000000000000000000000000000001",
            "¼"
        )]
        text: &str,
    ) {
        assert_eq!(NanoUsd::parse(text), None, "{text}");
    }

    #[rstest]
    #[case(0, "0")]
    #[case(1, "0.000000001")]
    #[case(1_260_000, "0.00126")]
    #[case(1_500_000_000, "1.5")]
    #[case(-1_500_000_000, "-1.5")]
    #[case(2_000_000_000, "2")]
    #[case(i64::MAX, "9223372036.854775807")]
    #[case(i64::MIN, "-9223372036.854775808")]
    fn amounts_are_shown_without_trailing_zeros(#[case] nano: i64, #[case] text: &str) {
        assert_eq!(NanoUsd(nano).to_string(), text);
    }

    #[test]
    fn sums_are_checked_or_saturate() {
        let much = NanoUsd(i64::MAX);
        assert_eq!(much.checked_add(NanoUsd(1)), None);
        assert_eq!(NanoUsd(1).checked_add(NanoUsd(2)), Some(NanoUsd(3)));
        assert_eq!([much, NanoUsd(1), NanoUsd(1)].into_iter().sum::<NanoUsd>(), much);
        assert_eq!([NanoUsd(420_000); 3].into_iter().sum::<NanoUsd>().to_string(), "0.00126");
    }

    proptest! {
        #[test]
        fn displayed_amounts_are_parsed_back(nano in 0..=i64::MAX) {
            prop_assert_eq!(NanoUsd::parse(&NanoUsd(nano).to_string()), Some(NanoUsd(nano)));
        }

        /// Tests spellings of one number with a moved point, exponents and additional zeros.
        #[test]
        fn spellings_of_a_number_agree(nano in 0..=i64::MAX, shift in 0_u32..12, zeros in 0_usize..5, e in "[eE]") {
            let digits = format!("{}{nano:020}{}", "0".repeat(zeros), "0".repeat(zeros));
            let (whole, fraction) = digits.split_at(digits.len() - 12);
            let exponent = 3 - i64::try_from(zeros).unwrap();
            let text = format!("{whole}.{fraction}{e}{exponent}");
            prop_assert_eq!(NanoUsd::parse(&text), Some(NanoUsd(nano)), "{}", text);
            let text = format!("{nano}{}{e}-{}", "0".repeat(shift as usize), 9 + shift);
            prop_assert_eq!(NanoUsd::parse(&text), Some(NanoUsd(nano)), "{}", text);
        }

        #[test]
        fn finer_digits_round_half_up(nano in 0..1_000_000_000_000_i64, finer in "[0-9]{1,20}") {
            let text = format!("{}.{:09}{finer}", nano / 1_000_000_000, nano % 1_000_000_000);
            let up = i64::from(finer.as_bytes()[0] >= b'5');
            prop_assert_eq!(NanoUsd::parse(&text), Some(NanoUsd(nano + up)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = NanoUsd::parse(&text);
        }

        #[test]
        fn sums_do_not_depend_on_their_order(mut amounts in prop::collection::vec(0..1_000_000_000_i64, 0..50)) {
            let sum = |amounts: &[i64]| amounts.iter().map(|nano| NanoUsd(*nano)).sum::<NanoUsd>();
            let forward = sum(&amounts);
            amounts.reverse();
            prop_assert_eq!(forward, sum(&amounts));
        }
    }
}
