//! Days and months of UTC as numbers, computed from milliseconds since 1970. `reserve.lua` computes the same with
//! Redis's clock.

use jiff::Timestamp;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Returns the wall-clock time in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Returns the number of days since 1970.
pub(super) fn day(now_ms: i64) -> i64 {
    now_ms.div_euclid(DAY_MS)
}

/// Returns the start of the next day in milliseconds.
pub(super) fn next_day_ms(now_ms: i64) -> i64 {
    (day(now_ms) + 1) * DAY_MS
}

/// Returns the number of months since the year 0 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms":
/// `civil_from_days`).
pub(super) fn month(now_ms: i64) -> i64 {
    let days = day(now_ms) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    (year_of_era + era * 400) * 12 + from_march + 2
}

/// Returns the start of the next month in milliseconds (`days_from_civil` of the same source).
pub(super) fn next_month_ms(now_ms: i64) -> i64 {
    // Counted from March, as in `month`.
    let shifted = month(now_ms) + 1 - 2;
    let (year, from_march) = (shifted.div_euclid(12), shifted.rem_euclid(12));
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * from_march + 2) / 5;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era - 719_468) * DAY_MS
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn ms(date: Date) -> i64 {
        date.to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond()
    }

    proptest! {
        #[test]
        fn months_are_the_calendars(now in 0..4_000_000_000_000_i64) {
            let date = jiff::Timestamp::from_millisecond(now).unwrap().to_zoned(TimeZone::UTC).date();
            prop_assert_eq!(month(now), i64::from(date.year()) * 12 + i64::from(date.month()) - 1);
            let next = date.first_of_month().checked_add(jiff::Span::new().months(1)).unwrap();
            prop_assert_eq!(next_month_ms(now), ms(next));
            prop_assert_eq!(next_day_ms(now), ms(date.tomorrow().unwrap()));
        }
    }
}
