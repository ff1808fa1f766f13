//! The factor from OpenRouter's cost to the price that the operator charges a tenant.

use super::money::NanoUsd;

/// A factor from 0 to 1000 with six decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Markup(u32);

/// Text that is not a factor. The message follows the name of the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes a factor from 0 to 1000 with at most six decimal places, for example 1.25")]
pub struct MarkupError;

const MILLION: u32 = 1_000_000;

impl Markup {
    /// The factor 1: the price is the cost.
    pub const ONE: Self = Self(MILLION);

    /// Returns the price for a cost, rounded half up to nano-dollars.
    pub fn charge(self, cost: NanoUsd) -> NanoUsd {
        let exact = i128::from(cost.0) * i128::from(self.0);
        let million = i128::from(MILLION);
        let rounded = (exact + million / 2).div_euclid(million);
        NanoUsd(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Returns the factor in millionths, the stored form.
    pub fn millionths(self) -> i64 {
        i64::from(self.0)
    }

    /// Creates a factor from its stored form; 1 if the number is out of range.
    pub fn from_millionths(millionths: i64) -> Self {
        u32::try_from(millionths).map_or(Self::ONE, Self)
    }
}

impl Default for Markup {
    fn default() -> Self {
        Self::ONE
    }
}

impl std::str::FromStr for Markup {
    type Err = MarkupError;

    fn from_str(text: &str) -> Result<Self, MarkupError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
            return Err(MarkupError);
        }
        let whole: u32 = whole.parse().map_err(|_| MarkupError)?;
        let decimals: u32 = format!("{decimals:0<6}").parse().map_err(|_| MarkupError)?;
        let millionths = whole.checked_mul(MILLION).and_then(|whole| whole.checked_add(decimals)).ok_or(MarkupError)?;
        if millionths > 1000 * MILLION { Err(MarkupError) } else { Ok(Self(millionths)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_decimal_text() {
        for (text, millionths) in
            [("1", 1_000_000), ("1.25", 1_250_000), ("0", 0), ("0.000001", 1), ("1000", 1_000_000_000)]
        {
            assert_eq!(text.parse::<Markup>().map(Markup::millionths), Ok(millionths), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000001", "1000.1", "1,5", " 1", "99999999999"] {
            assert_eq!(text.parse::<Markup>(), Err(MarkupError), "{text}");
        }
    }

    #[test]
    fn the_price_is_rounded_to_the_nearest_nano_dollar() {
        let factor: Markup = "1.5".parse().unwrap();
        for (cost, charged) in [(0, 0), (1, 2), (2, 3), (3, 5), (1_260_000, 1_890_000), (-3, -4)] {
            assert_eq!(factor.charge(NanoUsd(cost)), NanoUsd(charged), "{cost}");
        }
        assert_eq!(Markup::ONE.charge(NanoUsd(i64::MAX)), NanoUsd(i64::MAX));
    }
}
