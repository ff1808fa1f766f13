//! The time buckets that sums are kept for, and conversions of stored times.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// An hour in microseconds.
pub(super) const HOUR_US: i64 = 3_600_000_000;
/// A day in microseconds. All days of UTC have this length, because POSIX time has no leap seconds.
pub(super) const DAY_US: i64 = 24 * HOUR_US;

/// The kinds of sums that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grain {
    /// Per hour, with all dimensions.
    Hour,
    /// Per day, with all dimensions.
    Day,
    /// Per month, with all dimensions.
    Month,
    /// Per day, of all people of a tenant together.
    Curve,
    /// Per year, with all dimensions.
    Year,
}

impl Grain {
    /// All kinds.
    pub(super) const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Month, Self::Curve, Self::Year];
    /// The kinds of several hours.
    pub(super) const COARSE: [Self; 4] = [Self::Day, Self::Month, Self::Curve, Self::Year];

    /// Returns the number that the table stores.
    pub(super) fn code(self) -> i64 {
        self as i64
    }

    /// Returns the start of the bucket that contains this time.
    pub(super) fn bucket(self, us: i64) -> i64 {
        match self {
            Self::Hour => us - us.rem_euclid(HOUR_US),
            Self::Day | Self::Curve => us - us.rem_euclid(DAY_US),
            Self::Month => first_of(us, Date::first_of_month),
            Self::Year => first_of(us, Date::first_of_year),
        }
    }

    /// Returns the start of the bucket after the one that begins here.
    pub(super) fn next(self, bucket_us: i64) -> i64 {
        match self {
            Self::Hour => bucket_us + HOUR_US,
            Self::Day | Self::Curve => bucket_us + DAY_US,
            Self::Month => self.bucket(bucket_us + 32 * DAY_US),
            Self::Year => self.bucket(bucket_us + 367 * DAY_US),
        }
    }
}

/// Returns the start of the day that `first` makes of this time's day in UTC.
fn first_of(us: i64, first: impl Fn(Date) -> Date) -> i64 {
    let date = first(timestamp(us).to_zoned(TimeZone::UTC).date());
    date.to_zoned(TimeZone::UTC).map_or(0, |first| first.timestamp().as_microsecond())
}

/// Converts a stored time. Times out of range become the nearest valid one.
pub(super) fn timestamp(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(if us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Returns the current time in microseconds since 1970.
pub(super) fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn a_bucket_begins_with_its_hour_day_month_or_year() {
        let time = us("2028-02-29T23:59:59.999999Z");
        assert_eq!(Grain::Hour.bucket(time), us("2028-02-29T23:00:00Z"));
        assert_eq!(Grain::Day.bucket(time), us("2028-02-29T00:00:00Z"));
        assert_eq!(Grain::Month.bucket(time), us("2028-02-01T00:00:00Z"));
        assert_eq!(Grain::Year.bucket(time), us("2028-01-01T00:00:00Z"));
        for grain in Grain::ALL {
            let bucket = grain.bucket(time);
            let next = if grain == Grain::Year { "2029-01-01T00:00:00Z" } else { "2028-03-01T00:00:00Z" };
            assert_eq!(grain.next(bucket), us(next), "{grain:?}");
            assert_eq!(grain.bucket(bucket), bucket, "{grain:?}");
        }
        assert_eq!(Grain::Month.next(us("2026-12-01T00:00:00Z")), us("2027-01-01T00:00:00Z"));
    }
}
