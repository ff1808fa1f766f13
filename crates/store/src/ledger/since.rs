//! Parses `--since 24h|7d|DATE`, the start of a period, for the command line and the admin API.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The text is not a valid start of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes a number of hours or days as 24h or 7d, a date as 2026-01-31 (UTC), or a time as 2026-01-31T12:00:00Z")]
pub struct PeriodError;

/// Parses hours (`24h`) or days (`7d`) before `now`, a date (its start in UTC), or an RFC 3339 time.
///
/// # Errors
/// [`PeriodError`] for any other text.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, PeriodError> {
    let ago = |number: &str, hours: i64| {
        let number: i64 = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        now.checked_sub(Span::new().try_hours(number.checked_mul(hours)?).ok()?).ok()
    };
    let day = || text.parse::<Date>().ok().filter(|_| text.len() == 10)?.to_zoned(TimeZone::UTC).ok();
    match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(hours), _) => ago(hours, 1),
        (_, Some(days)) => ago(days, 24),
        _ => day().map(|day| day.timestamp()).or_else(|| text.parse().ok()),
    }
    .ok_or(PeriodError)
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
    }
}
