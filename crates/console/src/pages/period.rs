//! The period that a page shows: the latest 24 hours, 7, 30 or 90 days, divided into steps for charts.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::text::link;
use crate::answer::ApiError;
use crate::parameters::Parameters;
use callsign_store::ledger::query::{Filter, Point, Step, UsageRow};

/// A period. Its last step contains the current time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Period {
    /// 24 steps of an hour.
    Day,
    /// 28 steps of six hours.
    #[default]
    Week,
    /// 30 days.
    Month,
    /// 90 days.
    Quarter,
}

/// One column of a chart.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// The step's start.
    pub(super) at: Timestamp,
    /// The step's usage.
    pub(super) sums: UsageRow,
}

impl Period {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// Returns the value of the query parameter `range`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// Reads the query parameter `range`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if it names no period.
    pub(super) fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let named = |text: &str| Self::ALL.into_iter().find(|period| period.name() == text);
        let period = parameters.parsed("range", |text| named(text).ok_or("takes 24h, 7d, 30d or 90d"))?;
        Ok(period.unwrap_or_default())
    }

    /// Returns the name for sentences.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
        }
    }

    /// Returns the hours per step and the number of steps.
    fn shape(self) -> (i64, i64) {
        match self {
            Self::Day => (1, 24),
            Self::Week => (6, 28),
            Self::Month => (24, 30),
            Self::Quarter => (24, 90),
        }
    }

    /// Returns the step size for the ledger's query.
    pub(super) fn step(self) -> Step {
        if self.shape().0 < 24 { Step::Hour } else { Step::Day }
    }

    /// Formats a step's start.
    pub(super) fn label(self, at: Timestamp) -> String {
        let format = if self.shape().0 < 24 { "%b %-d, %H:%M" } else { "%b %-d" };
        at.strftime(format).to_string()
    }

    /// Formats a step's start in short form, for a chart's axis.
    pub(super) fn tick(self, at: Timestamp) -> String {
        at.strftime(if self == Self::Day { "%H:%M" } else { "%b %-d" }).to_string()
    }

    /// Returns the start of the first step.
    pub(super) fn begin(self, now: Timestamp) -> Timestamp {
        let (hours, steps) = self.shape();
        let last = now.as_second().div_euclid(hours * 3600) * hours;
        Timestamp::from_second((last - (steps - 1) * hours) * 3600).unwrap_or(Timestamp::MIN)
    }

    /// Returns a filter for the requests of the period.
    pub(super) fn filter(self, now: Timestamp) -> Filter {
        Filter { since: Some(self.begin(now)), ..Filter::default() }
    }

    /// Returns the usage of every step, including empty ones.
    pub(super) fn buckets(self, points: &[Point], now: Timestamp) -> Vec<Bucket> {
        let (hours, steps) = self.shape();
        let (begin, width) = (self.begin(now), SignedDuration::from_hours(hours));
        let mut at = begin;
        let mut buckets = Vec::new();
        for _ in 0..steps {
            buckets.push(Bucket { at, sums: UsageRow::default() });
            at = at.saturating_add(width).unwrap_or(Timestamp::MAX);
        }
        for point in points {
            let index = point.at.duration_since(begin).as_secs().div_euclid(hours * 3600);
            if let Some(bucket) = usize::try_from(index).ok().and_then(|index| buckets.get_mut(index)) {
                bucket.sums.add(&point.sums);
            }
        }
        buckets
    }

    /// Renders links to the page for each period. `query` contains the page's other parameters.
    pub(super) fn picker(self, path: &str, query: &[(&str, &str)]) -> Markup {
        html! {
            nav.periods aria-label="Period" {
                ul {
                    @for period in Self::ALL {
                        li {
                            a href=(link(path, &[query, &[("range", period.name())]].concat()))
                                aria-current=[(period == self).then_some("true")] aria-label=(period.words()) {
                                (period.name())
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the sums of all steps.
pub(super) fn total(buckets: &[Bucket]) -> UsageRow {
    buckets.iter().fold(UsageRow::default(), |mut all, bucket| {
        all.add(&bucket.sums);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use callsign_core::usage::money::NanoUsd;

    #[test]
    fn the_last_step_contains_now_and_all_points_are_counted() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().unwrap();
        for (period, begin, steps) in [
            (Period::Day, "2026-02-28T13:00:00Z", 24),
            (Period::Week, "2026-02-22T18:00:00Z", 28),
            (Period::Month, "2026-01-31T00:00:00Z", 30),
            (Period::Quarter, "2025-12-02T00:00:00Z", 90),
        ] {
            assert_eq!(period.begin(now), begin.parse().unwrap(), "{period:?}");
            let sums = UsageRow { requests: 2, cost: NanoUsd(3), ..UsageRow::default() };
            let times = [begin, "2026-03-01T12:00:00Z", "2026-03-01T12:29:00Z", "2020-01-01T00:00:00Z"];
            let points = times.map(|at| Point { at: at.parse().unwrap(), sums: sums.clone() });
            let buckets = period.buckets(&points, now);
            assert_eq!(buckets.len(), steps);
            assert!(buckets.last().unwrap().at <= now);
            assert_eq!((buckets[0].sums.requests, buckets.last().unwrap().sums.requests), (2, 4), "{period:?}");
            assert_eq!(buckets.iter().map(|bucket| bucket.sums.cost.0).sum::<i64>(), 9);
        }
    }
}
