//! Parses durations, and `--since 24h|7d|DATE`, the start of a period, for the command line and the admin API.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// The text is not a valid start of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes a number of hours or days as 24h or 7d, a date as 2026-01-31 (UTC), or a time as 2026-01-31T12:00:00Z")]
pub struct PeriodError;

/// Parses hours (`24h`) or days (`7d`) before `now`, a date (its start in UTC), or an RFC 3339 time.
///
/// # Errors
/// [`PeriodError`] for any other text.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, PeriodError> {
    let period = duration(text).filter(|_| text.ends_with(['h', 'd']));
    let ago = period.and_then(|period| now.checked_sub(period).ok());
    let day = || text.parse::<Date>().ok().filter(|_| text.len() == 10)?.to_zoned(TimeZone::UTC).ok();
    ago.or_else(|| Some(day()?.timestamp())).or_else(|| text.parse().ok()).ok_or(PeriodError)
}

/// Parses a whole number and a unit: `45s`, `30m`, `24h` or `7d`. Returns `None` for other text, also for the other
/// forms that jiff can parse, as `1d 12h`.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let number = text.strip_suffix(['s', 'm', 'h', 'd'])?;
    let is_whole = number.bytes().all(|byte| byte.is_ascii_digit());
    let span: Span = text.parse().ok().filter(|_| is_whole)?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_days_dates_and_times() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("24h", "2026-02-28T12:30:00Z"),
            ("7d", "2026-02-22T12:30:00Z"),
            ("0h", "2026-03-01T12:30:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ] {
            assert_eq!(since(text, now), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in
            ["", "h", "7", "-7d", "+7d", "7 d", "99999999999d", "99999999999999999999d", "yesterday", "2026-13-01"]
        {
            assert_eq!(since(text, now), Err(PeriodError), "{text}");
        }
        assert_eq!(since("30m", now), Err(PeriodError), "only hours and days");
    }

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        for (text, seconds) in [("45s", 45), ("30m", 1800), ("24h", 86_400), ("07d", 604_800), ("0d", 0)] {
            assert_eq!(duration(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "7", "-7d", "7 d", "7D", "1.5h", "1d12h", "7 days", "7ms", "P7d", "999999999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
