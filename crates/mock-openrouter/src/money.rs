//! Amounts in nano-dollars (10⁻⁹ US dollars) and the JSON text that states them exactly.
//!
//! Sums are made of integers. An amount becomes an `f64` only in a JSON value and only there: an amount below [`LIMIT`]
//! has at most 15 significant digits, and the shortest text of the `f64` nearest to such a decimal is that decimal.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Value, json};

/// Nano-dollars in a dollar.
const DOLLAR: u64 = 1_000_000_000;

/// The amounts that a model name can set are below this, 1000 dollars in nano-dollars: the sum of a million of them
/// still has 15 significant digits and fits `u64`.
const LIMIT: u64 = 1000 * DOLLAR;

/// Numbers from here to [`PLAIN_BELOW`] are written without an exponent.
const PLAIN_FROM: f64 = 1e-9;
/// `serde_json` writes numbers from here on without an exponent, up to 10¹⁶.
const PLAIN_BELOW: f64 = 1e-3;

/// Returns the number of a name as nano-dollars, if it is below [`LIMIT`].
pub(super) fn amount(number: usize) -> Option<u64> {
    u64::try_from(number).ok().filter(|nano| *nano < LIMIT)
}

/// Returns an amount of nano-dollars in dollars, as a JSON number.
pub(super) fn dollars(nano: u64) -> Value {
    match format!("{}.{:09}", nano / DOLLAR, nano % DOLLAR).parse::<f64>() {
        Ok(dollars) if nano > 0 => json!(dollars),
        _ => json!(0),
    }
}

/// Returns `value` as JSON text with its amounts as plain decimals: `0.000000007`, not `7e-9`.
pub(super) fn text(value: &Value) -> String {
    let mut out = Vec::new();
    // Writing a value to a vector cannot fail, and the text of a value is UTF-8.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, PlainDecimals));
    String::from_utf8(out).unwrap_or_default()
}

/// Writes compact JSON without exponents in amounts below a tenth of a cent.
struct PlainDecimals;

impl Formatter for PlainDecimals {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if (PLAIN_FROM..PLAIN_BELOW).contains(&value) {
            // `Display` writes the shortest exact decimal, never an exponent.
            write!(writer, "{value}")
        } else {
            serde_json::ser::CompactFormatter.write_f64(writer, value)
        }
    }
}

/// Reads the text of an amount in dollars as nano-dollars, without floating point.
#[cfg(test)]
pub(super) fn nano(dollars: &Value) -> u64 {
    let text = text(dollars);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_to_the_nano_dollar() {
        for (amount, expected) in [(0, "0"), (7, "0.000000007"), (420_000, "0.00042"), (DOLLAR + 1, "1.000000001")] {
            assert_eq!(text(&dollars(amount)), expected);
        }
        let mut amount = 1;
        // Multiplied and added so that all lengths and all digits occur.
        for step in 0..10_000_u64 {
            let written = dollars(amount);
            assert_eq!(nano(&written), amount, "{written}");
            amount = (amount * 7 + step) % (1000 * LIMIT);
        }
    }

    #[test]
    fn other_numbers_keep_their_text() {
        let odd = r#"{"a":[1.0,0.5,-0.25,1e-30,1e300,12,"7e-9"]}"#;
        let value: Value = serde_json::from_str(odd).unwrap();
        assert_eq!(text(&value), value.to_string());
    }

    #[test]
    fn amounts_have_a_limit() {
        assert_eq!(amount(999_999_999_999), Some(LIMIT - 1));
        assert_eq!(amount(1_000_000_000_000), None);
    }
}
