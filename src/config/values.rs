//! Parsers that several concerns share: text in, value or a message out. Messages never repeat the text, since a secret
//! may stand in the wrong place.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::secret::Secret;

/// Keys and tokens shorter than this can be guessed (contract, section 4).
pub const MIN_KEY_BYTES: usize = 16;

/// `true`, `1`, `yes`, `on` and their opposites, in any case.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("takes true or false (also 1, 0, yes, no, on, off)"),
    }
}

/// A whole number from `low` to `high`.
pub(super) fn number(low: u64, high: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let digits = Some(text.trim()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("takes a whole number from {low} to {high}"))
    }
}

/// A size in bytes that fits into memory, at most `high`.
pub(super) fn size(high: u32) -> impl Fn(&str) -> Result<usize, String> {
    move |text| number(0, u64::from(high))(text).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// Whole seconds, at least `low`, at most a day.
pub(super) fn seconds(low: u64) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| number(low, 86_400)(text).map(Duration::from_secs)
}

/// One of several words.
pub(super) fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("takes {}", words.join(" or "))
        })
    }
}

/// The path of a file, which is not looked at.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every other parser")]
pub(super) fn path(text: &str) -> Result<PathBuf, &'static str> {
    Ok(PathBuf::from(text))
}

/// Any text that is not empty and that logs can show.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
        return Err("takes text that is not empty, without control characters and blanks around it");
    }
    Ok(text.to_owned())
}

/// A key or token that a request can carry in a header: at least [`MIN_KEY_BYTES`], visible ASCII.
pub(super) fn key(text: &str) -> Result<Secret, String> {
    if text.len() < MIN_KEY_BYTES {
        return Err(format!("has {} bytes; at least {MIN_KEY_BYTES} are needed (try: callsign key new)", text.len()));
    }
    credential(text).map_err(str::to_owned)
}

/// A secret that somebody else made and a header carries.
pub(super) fn credential(text: &str) -> Result<Secret, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("takes visible ASCII characters without blanks");
    }
    Ok(Secret::new(text))
}

/// The name of a header, in lower case.
pub(super) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    HeaderName::from_bytes(text.trim().as_bytes()).map_err(|_| "is no header name")
}

/// The value of a header that callsign sets.
pub(super) fn header_value(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or("takes text that a header can hold: visible ASCII, not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_take_eight_words_in_any_case() {
        for text in ["true", "TRUE", "1", "yes", "On", " on "] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["false", "False", "0", "NO", "off"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
        for text in ["", "y", "2", "enabled"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_decimal_digits_in_a_range() {
        assert_eq!(number(1, 256)("256"), Ok(256));
        for text in ["0", "257", "-1", "+1", "1e2", "1.0", "", "99999999999999999999"] {
            assert!(number(1, 256)(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_sixteen_visible_bytes() {
        assert!(key("0123456789abcdeF").is_ok());
        for text in ["0123456789abcde", "0123456789 abcdef", "0123456789abcdé", "0123456789abcdef\n"] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
