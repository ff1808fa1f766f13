//! Parsers that several concerns share. Their messages say what was expected and do not repeat the text, which may be a
//! misplaced secret (`tests/secrecy.rs`).

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use callsign_core::auth::settings::LIVE_TEST_KEY;
use callsign_core::identity::longest;
use callsign_core::secret::Secret;
use callsign_store::limits::keys::material;

/// Minimum length of a key or token in bytes. A shorter one could be guessed.
pub const MIN_KEY_BYTES: usize = 16;

/// Parses a switch: `true`, `1`, `yes`, `on`, `false`, `0`, `no`, `off`, in any case.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false (also 1, 0, yes, no, on, off)"),
    }
}

/// Parses a whole number from `low` to `high`.
pub(super) fn number(low: u64, high: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let digits = Some(text.trim()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("expected a whole number from {low} to {high}"))
    }
}

/// Parses a number of bytes, at most `high`.
pub(super) fn size(high: u32) -> impl Fn(&str) -> Result<usize, String> {
    move |text| number(0, u64::from(high))(text).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// Parses whole seconds, at least `low` and at most one day.
pub(super) fn seconds(low: u64) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| number(low, 86_400)(text).map(Duration::from_secs)
}

/// Parses one of several words.
pub(super) fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("expected {}", words.join(" or "))
        })
    }
}

/// Parses the path of a file without opening it.
#[expect(clippy::unnecessary_wraps, reason = "all parsers return a Result")]
pub(super) fn path(text: &str) -> Result<PathBuf, &'static str> {
    Ok(PathBuf::from(text))
}

/// Parses non-empty text that can be logged.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
        return Err("expected text that is not empty, without control characters and without spaces around it");
    }
    Ok(text.to_owned())
}

/// Parses the name of a key, a tenant or an issuer.
pub(super) fn caller_name(text: &str) -> Result<String, String> {
    at_most(longest::NAME, text)?;
    if text == LIVE_TEST_KEY {
        return Err(format!("{LIVE_TEST_KEY} is the name that live tests have in the ledger; choose another"));
    }
    name(text).map_err(str::to_owned)
}

/// Parses a user id.
pub(super) fn user_id(text: &str) -> Result<String, String> {
    at_most(longest::ID, text)?;
    name(text).map_err(str::to_owned)
}

fn at_most(limit: usize, text: &str) -> Result<(), String> {
    if text.len() > limit {
        return Err(format!("has {} bytes; at most {limit} are accepted", text.len()));
    }
    Ok(())
}

/// Parses a key or token that callers send in a header: at least [`MIN_KEY_BYTES`], visible ASCII.
pub(super) fn key(text: &str) -> Result<Secret, String> {
    if text.len() < MIN_KEY_BYTES && !is_placeholder(text) {
        return Err(format!(
            "has {} bytes; at least {MIN_KEY_BYTES} are required (make one: openssl rand -hex 32)",
            text.len()
        ));
    }
    let key = credential(text).map_err(str::to_owned)?;
    if material::has_wrong_checksum(text) {
        return Err("is a key of callsign with a character changed (its checksum is wrong); copy it again".to_owned());
    }
    Ok(key)
}

/// Returns true for a text that documentation puts in the place of a key: `sk-or-…`, `sk-or-v1-...`, `<your key>`.
pub(super) fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_cut = lower.ends_with('…') || lower.ends_with("...") || lower.ends_with('-');
    let is_framed = lower.starts_with('<') && lower.ends_with('>');
    is_cut || is_framed || ["xxxx", "your-", "your_"].iter().any(|mark| lower.contains(mark))
}

/// Parses a credential of another service, which is sent in a header: visible ASCII of any length.
pub(super) fn credential(text: &str) -> Result<Secret, &'static str> {
    if is_placeholder(text) {
        return Err("is a placeholder; set it to the key itself");
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected visible ASCII characters without spaces");
    }
    if ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote)) {
        return Err("has quotes around it; remove them (docker --env-file keeps quotes)");
    }
    Ok(Secret::new(text))
}

/// Parses a header name.
pub(super) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    HeaderName::from_bytes(text.trim().as_bytes()).map_err(|_| "expected a header name, as X-User-Id")
}

/// Parses the value of a header that callsign sets.
pub(super) fn header_value(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or("expected the value of a header: visible ASCII, not empty")
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
