//! Sums over requests, and the time buckets that they are kept for.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::row::Row;

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
    /// Per day, with tenant and model only, for charts of long periods.
    Curve,
}

impl Grain {
    /// All kinds.
    pub(super) const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Curve];

    /// Returns the number that the table stores.
    pub(super) fn code(self) -> i64 {
        self as i64
    }

    /// Returns the start of the bucket that contains this time.
    pub(super) fn bucket(self, us: i64) -> i64 {
        match self {
            Self::Hour => us - us.rem_euclid(HOUR_US),
            Self::Day | Self::Curve => us - us.rem_euclid(DAY_US),
            Self::Month => month(us),
        }
    }

    /// Returns the start of the bucket after the one that begins here.
    pub(super) fn next(self, bucket_us: i64) -> i64 {
        match self {
            Self::Hour => bucket_us + HOUR_US,
            Self::Day | Self::Curve => bucket_us + DAY_US,
            Self::Month => month(bucket_us + 32 * DAY_US),
        }
    }
}

/// Returns the start of this time's month in UTC.
fn month(us: i64) -> i64 {
    let date = timestamp(us).to_zoned(TimeZone::UTC).date().first_of_month();
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

/// Sums over requests, in the units of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) requests: i64,
    pub(super) errors: i64,
    pub(super) refused: i64,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) cached_tokens: i64,
    pub(super) reasoning_tokens: i64,
    pub(super) cost: i64,
    pub(super) charged: i64,
    pub(super) request_bytes: i64,
    pub(super) response_bytes: i64,
    pub(super) first_byte_us: i64,
    pub(super) first_bytes: i64,
    /// Start of the latest request (a maximum, not a sum).
    pub(super) last_us: i64,
}

/// Converts a count to the database's type.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Sums {
    /// Returns the sums of one finished request; `None` if it still runs.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let ended = row.ended.as_ref()?;
        let sent = ended.went_upstream();
        let tokens = |count: Option<u64>| stored(count.unwrap_or_default());
        let cost = ended.usage.cost.unwrap_or_default();
        Some(Self {
            requests: i64::from(sent),
            errors: i64::from(sent && ended.error_kind().is_some()),
            refused: i64::from(!sent),
            prompt_tokens: tokens(ended.usage.prompt_tokens),
            completion_tokens: tokens(ended.usage.completion_tokens),
            cached_tokens: tokens(ended.usage.cached_tokens),
            reasoning_tokens: tokens(ended.usage.reasoning_tokens),
            cost: cost.0,
            charged: row.context.names.markup.charge(cost).0,
            request_bytes: stored(ended.request_bytes),
            response_bytes: stored(ended.response_bytes),
            first_byte_us: tokens(ended.first_byte_us),
            first_bytes: i64::from(ended.first_byte_us.is_some()),
            last_us: row.began_us,
        })
    }

    /// Adds other sums.
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.refused, other.refused),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.cost, other.cost),
            (&mut self.charged, other.charged),
            (&mut self.request_bytes, other.request_bytes),
            (&mut self.response_bytes, other.response_bytes),
            (&mut self.first_byte_us, other.first_byte_us),
            (&mut self.first_bytes, other.first_bytes),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
        self.last_us = self.last_us.max(other.last_us);
    }

    /// Returns the negated sums, for subtracting them. The time is kept, because it is a maximum.
    pub(super) fn negative(self) -> Self {
        Self {
            requests: -self.requests,
            errors: -self.errors,
            refused: -self.refused,
            prompt_tokens: -self.prompt_tokens,
            completion_tokens: -self.completion_tokens,
            cached_tokens: -self.cached_tokens,
            reasoning_tokens: -self.reasoning_tokens,
            cost: -self.cost,
            charged: -self.charged,
            request_bytes: -self.request_bytes,
            response_bytes: -self.response_bytes,
            first_byte_us: -self.first_byte_us,
            first_bytes: -self.first_bytes,
            last_us: 0,
        }
    }

    /// The columns in the table's order.
    pub(super) const COLUMNS: [&str; 14] = [
        "requests",
        "errors",
        "refused",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost",
        "charged",
        "request_bytes",
        "response_bytes",
        "first_byte_us",
        "first_bytes",
        "last_us",
    ];

    /// Returns the values in the order of [`Sums::COLUMNS`].
    pub(super) fn values(&self) -> [i64; 14] {
        [
            self.requests,
            self.errors,
            self.refused,
            self.prompt_tokens,
            self.completion_tokens,
            self.cached_tokens,
            self.reasoning_tokens,
            self.cost,
            self.charged,
            self.request_bytes,
            self.response_bytes,
            self.first_byte_us,
            self.first_bytes,
            self.last_us,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn a_bucket_begins_with_its_hour_day_or_month() {
        let time = us("2028-02-29T23:59:59.999999Z");
        assert_eq!(Grain::Hour.bucket(time), us("2028-02-29T23:00:00Z"));
        assert_eq!(Grain::Day.bucket(time), us("2028-02-29T00:00:00Z"));
        assert_eq!(Grain::Month.bucket(time), us("2028-02-01T00:00:00Z"));
        for grain in Grain::ALL {
            let bucket = grain.bucket(time);
            assert_eq!(grain.next(bucket), us("2028-03-01T00:00:00Z"), "{grain:?}");
            assert_eq!(grain.bucket(bucket), bucket, "{grain:?}");
        }
        assert_eq!(Grain::Month.next(us("2026-12-01T00:00:00Z")), us("2027-01-01T00:00:00Z"));
    }
}
