//! Days and months in the time zone of `limits.timezone`, as numbers, computed from milliseconds since 1970
//! (docs/SPEC.md#clocks). The scripts in `redis/` get the boundaries around now and choose by Redis's clock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Milliseconds of 24 hours.
pub(super) const DAY_MS: i64 = 86_400_000;
/// The epoch of numbered days.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Returns the wall-clock time in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The days and months of a time zone.
#[derive(Debug)]
pub struct Calendar {
    zone: TimeZone,
    /// The latest result of [`Calendar::around`], which is valid for a day.
    latest: ArcSwap<Around>,
}

/// The boundaries of the days and months around a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// The number of yesterday. Numbers of days that follow each other do too.
    pub first_day: i64,
    /// The starts of yesterday, today, tomorrow and the day after, in milliseconds since 1970.
    pub days: [i64; 4],
    /// The number of the last month.
    pub first_month: i64,
    /// The starts of the last month, this one, the next one and the one after.
    pub months: [i64; 4],
}

/// A moment with the day and the month that contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now: i64,
    /// The number of the day.
    pub day: i64,
    /// The number of the month.
    pub month: i64,
    /// The start of the next day.
    pub next_day: i64,
    /// The start of the next month.
    pub next_month: i64,
}

impl Default for Calendar {
    /// Returns the calendar of UTC.
    fn default() -> Self {
        Self::new(TimeZone::UTC)
    }
}

impl Calendar {
    /// Creates the calendar of a time zone.
    pub fn new(zone: TimeZone) -> Self {
        let latest = ArcSwap::from_pointee(Around::of(&zone, 0));
        Self { zone, latest }
    }

    /// Returns true if this is the calendar of `zone`.
    pub(super) fn is_of(&self, zone: &TimeZone) -> bool {
        self.zone == *zone
    }

    /// Returns the boundaries around this moment.
    pub fn around(&self, now_ms: i64) -> Around {
        let latest = **self.latest.load();
        if (latest.days[1]..latest.days[2]).contains(&now_ms) {
            return latest;
        }
        let fresh = Around::of(&self.zone, now_ms);
        self.latest.store(Arc::new(fresh));
        fresh
    }

    /// Returns the moment with its day and month.
    pub fn at(&self, now_ms: i64) -> Moment {
        self.around(now_ms).at(now_ms)
    }
}

impl Around {
    fn of(zone: &TimeZone, now_ms: i64) -> Self {
        let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let today = now.to_zoned(zone.clone()).date();
        let start = |date: Date| date.to_zoned(zone.clone()).map_or(0, |start| start.timestamp().as_millisecond());
        let day = |by: i64| today.saturating_add(Span::new().days(by));
        let month = |by: i64| today.first_of_month().saturating_add(Span::new().months(by));
        let number = |date: Date| date.since(EPOCH).map_or(0, |since| i64::from(since.get_days()));
        Self {
            first_day: number(day(-1)),
            days: [-1, 0, 1, 2].map(|by| start(day(by))),
            first_month: i64::from(today.year()) * 12 + i64::from(today.month()) - 2,
            months: [-1, 0, 1, 2].map(|by| start(month(by))),
        }
    }

    /// Returns the moment `now_ms` with its day and month.
    pub fn at(&self, now_ms: i64) -> Moment {
        let place = |starts: &[i64; 4]| (0..3).find(|at| now_ms < starts[at + 1]).unwrap_or(2);
        let (day, month) = (place(&self.days), place(&self.months));
        // At most 2.
        let (days, months) = (i64::try_from(day).unwrap_or(0), i64::try_from(month).unwrap_or(0));
        Moment {
            now: now_ms,
            day: self.first_day + days,
            month: self.first_month + months,
            next_day: self.days[day + 1],
            next_month: self.months[month + 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn days_and_months_are_the_time_zones(
            now in 0..4_000_000_000_000_i64,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia"]),
            off in -82_000_000..82_000_000_i64,
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let calendar = Calendar::new(zone.clone());
            let moment = calendar.at(now);
            let date = Timestamp::from_millisecond(now).unwrap().to_zoned(zone.clone()).date();
            let start = |date: Date| date.to_zoned(zone.clone()).unwrap().timestamp().as_millisecond();
            prop_assert_eq!(moment.month, i64::from(date.year()) * 12 + i64::from(date.month()) - 1);
            prop_assert_eq!(moment.next_day, start(date.tomorrow().unwrap()));
            let next = date.first_of_month().checked_add(Span::new().months(1)).unwrap();
            prop_assert_eq!(moment.next_month, start(next));
            // A clock that differs by less than the shortest day, of 23 hours, finds the same days.
            let around = calendar.around(now);
            prop_assert_eq!(around.at(now + off).day, calendar.at(now + off).day);
            prop_assert_eq!(around.at(now + off).month, calendar.at(now + off).month);
        }

        #[test]
        fn days_of_utc_are_those_since_1970(now in 0..4_000_000_000_000_i64) {
            let moment = Calendar::default().at(now);
            prop_assert_eq!((moment.day, moment.next_day), (now / DAY_MS, (now / DAY_MS + 1) * DAY_MS));
        }
    }
}
