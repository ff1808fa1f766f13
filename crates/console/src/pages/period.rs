//! The period that a page shows, divided into steps for charts: the latest hours or days, a month, or chosen days.
//! Days and months are those of the page's time zone, from the full hour on, because sums are by the hour.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use maud::{Markup, html};

use super::selection::{Query, address};
use super::zone;
use crate::answer::ApiError;
use crate::parameters::Parameters;
use callsign_store::ledger::query::{Filter, Point, Step, UsageRow};

/// Maximum length of chosen days: about ten years.
const LONGEST_DAYS: i64 = 3_700;

/// A period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Period {
    /// 24 steps of an hour. The last step of this and the next three contains the current time.
    Day,
    /// 28 steps of six hours.
    #[default]
    Week,
    /// 30 days.
    Month,
    /// 90 days.
    Quarter,
    /// The current calendar month.
    ThisMonth,
    /// The calendar month before.
    LastMonth,
    /// From the start of the first day to the end of the second.
    Days(Date, Date),
}

/// One column of a chart.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// The step's start.
    pub(super) at: Timestamp,
    /// The step's usage.
    pub(super) sums: UsageRow,
}

/// The steps of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Steps {
    begin: Timestamp,
    end: Timestamp,
    hours: i64,
    count: i64,
    /// The first day, if the steps are days.
    first: Option<Date>,
}

/// Most columns of a small chart by day. Of a longer period it shows the end, because the sums of the days of everybody
/// are what takes longest to read.
const SPARK: i64 = 31;

/// The steps of a small chart in a list: hours for up to two days, else days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SparkSteps {
    /// The step of the ledger's query.
    pub(super) step: Step,
    /// Number of columns.
    pub(super) count: usize,
    /// The start of the first column.
    pub(super) begin: Timestamp,
    /// True if the period begins earlier.
    pub(super) is_cut: bool,
    /// Hours of a column.
    hours: i64,
}

impl SparkSteps {
    /// Returns the column of a time.
    pub(super) fn index(self, at: Timestamp) -> usize {
        let index = at.duration_since(self.begin).as_secs().div_euclid(self.hours * 3600).max(0);
        usize::try_from(index).unwrap_or_default().min(self.count.saturating_sub(1))
    }
}

impl Period {
    /// The periods with a name.
    const NAMED: [(Self, &'static str, &'static str); 6] = [
        (Self::Day, "24h", "the last 24 hours"),
        (Self::Week, "7d", "the last 7 days"),
        (Self::Month, "30d", "the last 30 days"),
        (Self::Quarter, "90d", "the last 90 days"),
        (Self::ThisMonth, "month", "this month"),
        (Self::LastMonth, "last-month", "last month"),
    ];

    /// Returns the query parameters that select the period.
    pub(super) fn query(self) -> Query {
        match self {
            Self::Days(from, to) => vec![("from", from.to_string()), ("to", to.to_string())],
            _ => vec![("range", self.named().0.to_owned())],
        }
    }

    /// Reads the query parameters `range`, or `from` and `to`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if they name no period.
    pub(super) fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let named = |text: &str| Self::NAMED.into_iter().find(|(_, name, _)| *name == text).map(|(period, ..)| period);
        let expected = || format!("takes {}", Self::NAMED.map(|(_, name, _)| name).join(", "));
        let period = parameters.parsed("range", |text| named(text).ok_or_else(expected))?;
        let day = |text: &str| text.parse::<Date>().map_err(|_| "takes a date as 2026-01-31");
        let (from, to) = (parameters.parsed("from", day)?, parameters.parsed("to", day)?);
        match (from, to) {
            (None, None) => Ok(period.unwrap_or_default()),
            (Some(from), Some(to)) if from <= to && days(from, to) <= LONGEST_DAYS => Ok(Self::Days(from, to)),
            _ => Err(ApiError::Invalid(format!(
                "from and to take two dates in order, at most {LONGEST_DAYS} days apart"
            ))),
        }
    }

    fn named(self) -> (&'static str, &'static str) {
        let found = Self::NAMED.into_iter().find(|(period, ..)| *period == self);
        found.map_or(("", ""), |(_, name, words)| (name, words))
    }

    /// Returns the name for sentences: `in …`.
    pub(super) fn words(self) -> String {
        match self {
            Self::Days(from, to) if from == to => from.to_string(),
            Self::Days(from, to) => format!("{from} to {to}"),
            _ => self.named().1.to_owned(),
        }
    }

    fn steps(self, now: Timestamp) -> Steps {
        let today = now.to_zoned(zone::current()).date();
        let first = today.first_of_month();
        match self {
            Self::Day => Steps::latest(now, 1, 24),
            Self::Week => Steps::latest(now, 6, 28),
            Self::Month => Steps::of_days(today.saturating_sub(29.days()), today),
            Self::Quarter => Steps::of_days(today.saturating_sub(89.days()), today),
            Self::ThisMonth => Steps::of_days(first, today),
            Self::LastMonth => Steps::of_days(first.saturating_sub(1.month()), first.saturating_sub(1.day())),
            Self::Days(from, to) => Steps::of_days(from, to),
        }
    }

    /// Returns the step size for the ledger's query.
    pub(super) fn step(self, now: Timestamp) -> Step {
        // Sums of days are those of UTC.
        if self.steps(now).hours < 24 || !zone::is_utc() { Step::Hour } else { Step::Day }
    }

    /// Returns the steps of small charts.
    pub(super) fn spark(self, now: Timestamp) -> SparkSteps {
        let steps = self.steps(now);
        let all = steps.hours * steps.count;
        if all <= 48 {
            let count = usize::try_from(all).unwrap_or(1);
            return SparkSteps { step: Step::Hour, count, begin: steps.begin, is_cut: false, hours: 1 };
        }
        let days = (steps.end.duration_since(steps.begin).as_hours() + 23) / 24;
        let before = (days - SPARK).max(0);
        let begin = steps.begin + SignedDuration::from_hours(24 * before);
        let count = usize::try_from(days - before).unwrap_or(1);
        SparkSteps { step: Step::Day, count, begin, is_cut: before > 0, hours: 24 }
    }

    /// Formats a step's start.
    pub(super) fn label(self, at: Timestamp, now: Timestamp) -> String {
        if self.steps(now).hours < 24 { zone::clock(at, "%b %-d, %H:%M") } else { zone::clock(within(at), "%b %-d") }
    }

    /// Formats a step's start in short form, for a chart's axis.
    pub(super) fn tick(self, at: Timestamp, now: Timestamp) -> String {
        let Steps { hours, count, .. } = self.steps(now);
        if hours * count <= 48 { zone::clock(at, "%H:%M") } else { zone::clock(within(at), "%b %-d") }
    }

    /// Returns a filter for the requests of the period.
    pub(super) fn filter(self, now: Timestamp) -> Filter {
        let steps = self.steps(now);
        let until = Some(steps.end).filter(|end| *end <= now);
        Filter { since: Some(steps.begin), until, ..Filter::default() }
    }

    /// Returns a filter for the equally long time before the period.
    pub(super) fn before(self, now: Timestamp) -> Filter {
        let Steps { begin, .. } = self.steps(now);
        let length = self.steps(now).end.min(now).duration_since(begin);
        let since = begin.saturating_sub(length).unwrap_or(Timestamp::MIN);
        Filter { since: Some(since), until: Some(begin), ..Filter::default() }
    }

    /// Returns the usage of every step, including empty ones.
    pub(super) fn buckets<'p>(self, points: impl IntoIterator<Item = &'p Point>, now: Timestamp) -> Vec<Bucket> {
        let steps = self.steps(now);
        let bucket = |step| Bucket { at: steps.start(step), sums: UsageRow::default() };
        let mut buckets: Vec<_> = (0..steps.count).map(bucket).collect();
        for point in points.into_iter().filter(|point| point.at < steps.end) {
            let after = buckets.partition_point(|bucket| bucket.at <= point.at);
            if let Some(bucket) = after.checked_sub(1).and_then(|index| buckets.get_mut(index)) {
                bucket.sums.add(&point.sums);
            }
        }
        buckets
    }

    /// Renders links to the page for each named period, and a form for other days. `query` contains the page's other
    /// parameters.
    pub(super) fn picker(self, path: &str, query: &Query) -> Markup {
        let of = |period: Self| address(path, &[query.clone(), period.query()].concat());
        let (from, to) = match self {
            Self::Days(from, to) => (Some(from.to_string()), Some(to.to_string())),
            _ => (None, None),
        };
        html! {
            nav.periods aria-label="Period" {
                ul {
                    @for (period, name, words) in Self::NAMED {
                        li { a href=(of(period)) aria-current=[(period == self).then_some("true")] {
                            (name.replace('-', " ")) span.hidden { " (" (words) ")" }
                        } }
                    }
                }
                details open[from.is_some()] {
                    summary { "Days" }
                    form action=(path) {
                (zone::field())
                        @for (name, value) in query { input type="hidden" name=(name) value=(value); }
                        label { span { "From" } input type="date" name="from" value=[from] required; }
                        label { span { "to" } input type="date" name="to" value=[to] required; }
                        button { "Show" }
                    }
                }
            }
        }
    }
}

impl Steps {
    /// Returns steps of so many hours, of which the last contains `now`.
    fn latest(now: Timestamp, hours: i64, count: i64) -> Self {
        let last = now.as_second().div_euclid(hours * 3600) * hours;
        let begin = Timestamp::from_second((last - (count - 1) * hours) * 3600).unwrap_or(Timestamp::MIN);
        let end = begin.saturating_add(SignedDuration::from_hours(hours * count)).unwrap_or(Timestamp::MAX);
        Self { begin, end, hours, count, first: None }
    }

    /// Returns the steps of whole days, both ends included: hours for up to two days, else days, else weeks.
    fn of_days(from: Date, to: Date) -> Self {
        let (begin, end) = (start_of(from), start_of(to.saturating_add(1.day())));
        let days = days(from, to);
        let hours = match days {
            ..=2 => 1,
            3..=14 => 6,
            15..=130 => 24,
            _ => 168,
        };
        // A day on which clocks change has 23 or 25 hours.
        let all = end.duration_since(begin).as_hours();
        let count = if hours < 24 { (all + hours - 1) / hours } else { (days * 24 + hours - 1) / hours };
        Self { begin, end, hours, count, first: (hours >= 24).then_some(from) }
    }

    /// Returns the start of a step.
    fn start(self, step: i64) -> Timestamp {
        match self.first {
            Some(first) => start_of(first.saturating_add((self.hours / 24 * step).days())),
            None => self.begin.saturating_add(SignedDuration::from_hours(self.hours * step)).unwrap_or(Timestamp::MAX),
        }
    }
}

/// Returns the start of a day in the page's time zone, or the full hour before it.
fn start_of(day: Date) -> Timestamp {
    let start = day.to_zoned(zone::current()).map_or(Timestamp::MIN, |zoned| zoned.timestamp());
    Timestamp::from_second(start.as_second().div_euclid(3600) * 3600).unwrap_or(Timestamp::MIN)
}

/// Returns a time within the first hour of a step of days, which may begin up to an hour before its day.
fn within(start: Timestamp) -> Timestamp {
    start.saturating_add(SignedDuration::from_mins(59)).unwrap_or(start)
}

/// Returns the number of days from the first to the second, both included.
fn days(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24 + 1
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

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn the_steps_of_a_period() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().unwrap();
        for (period, begin, hours, count) in [
            (Period::Day, "2026-02-28T13:00:00Z", 1, 24),
            (Period::Week, "2026-02-22T18:00:00Z", 6, 28),
            (Period::Month, "2026-01-31T00:00:00Z", 24, 30),
            (Period::Quarter, "2025-12-02T00:00:00Z", 24, 90),
            (Period::ThisMonth, "2026-03-01T00:00:00Z", 1, 24),
            (Period::LastMonth, "2026-02-01T00:00:00Z", 24, 28),
            (Period::Days(day("2026-01-05"), day("2026-01-05")), "2026-01-05T00:00:00Z", 1, 24),
            (Period::Days(day("2026-01-05"), day("2026-01-07")), "2026-01-05T00:00:00Z", 6, 12),
            (Period::Days(day("2025-01-01"), day("2025-12-31")), "2025-01-01T00:00:00Z", 168, 53),
        ] {
            let begin: Timestamp = begin.parse().unwrap();
            let steps = period.steps(now);
            assert_eq!((steps.begin, steps.hours, steps.count), (begin, hours, count), "{period:?}");
            assert_eq!(period.filter(now).since, Some(begin), "{period:?}");
            let sums = UsageRow { requests: 2, cost: NanoUsd(3), ..UsageRow::default() };
            let point = |at| Point { at, sums: sums.clone() };
            let buckets = period.buckets(&[point(begin), point("2020-01-01T00:00:00Z".parse().unwrap())], now);
            assert_eq!(buckets.len(), usize::try_from(count).unwrap());
            assert_eq!((buckets[0].sums.requests, total(&buckets).cost), (2, NanoUsd(3)), "{period:?}");
            let before = period.before(now);
            assert!(before.until == Some(begin) && before.since < before.until, "{period:?}");
        }
    }

    #[test]
    fn a_small_chart_has_few_columns_that_end_with_the_period() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().unwrap();
        for (period, step, count, hours, is_cut) in [
            (Period::Day, Step::Hour, 24, 1, false),
            (Period::Week, Step::Day, 7, 24, false),
            (Period::Month, Step::Day, 30, 24, false),
            (Period::Quarter, Step::Day, 31, 24, true),
            (Period::Days(day("2025-01-01"), day("2025-12-31")), Step::Day, 31, 24, true),
        ] {
            let spark = period.spark(now);
            let found = (spark.step, spark.count, spark.hours, spark.is_cut);
            assert_eq!(found, (step, count, hours, is_cut), "{period:?}");
            let steps = period.steps(now);
            assert_eq!((spark.index(spark.begin), spark.index(steps.end)), (0, count - 1), "{period:?}");
            assert_eq!(spark.begin == steps.begin, !is_cut, "{period:?}");
            assert_eq!(spark.index(Timestamp::MIN), 0);
        }
    }

    #[tokio::test]
    async fn days_are_those_of_the_time_zone() {
        // On 2026-03-29 clocks change in Berlin; Kolkata is five and a half hours ahead.
        let now: Timestamp = "2026-03-30T12:30:00Z".parse().unwrap();
        let days = Period::Days(day("2026-03-28"), day("2026-03-29"));
        for (zone, begin, end, hours) in [
            ("Europe/Berlin", "2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z", 47),
            ("Asia/Kolkata", "2026-03-27T18:00:00Z", "2026-03-29T18:00:00Z", 48),
        ] {
            let mut uri = format!("/?tz={zone}").parse().unwrap();
            let page = zone::Page::take(&mut uri).unwrap();
            page.render(async {
                let steps = days.steps(now);
                let [begin, end] = [begin, end].map(|at| at.parse::<Timestamp>().unwrap());
                assert_eq!((steps.begin, steps.end, steps.count), (begin, end, hours), "{zone}");
                let month = Period::ThisMonth.buckets(&[], now);
                let labels: Vec<_> = month.iter().map(|bucket| Period::ThisMonth.label(bucket.at, now)).collect();
                assert_eq!((labels.len(), labels[0].as_str(), labels[29].as_str()), (30, "Mar 1", "Mar 30"), "{zone}");
                assert_eq!(Period::ThisMonth.step(now), Step::Hour);
            })
            .await;
        }
    }

    #[test]
    fn only_a_period_in_the_past_ends() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().unwrap();
        assert_eq!(Period::Week.filter(now).until, None);
        assert_eq!(Period::ThisMonth.filter(now).until, None);
        assert_eq!(Period::LastMonth.filter(now).until, Some("2026-03-01T00:00:00Z".parse().unwrap()));
        let days = Period::Days(day("2026-01-05"), day("2026-01-07"));
        assert_eq!(days.filter(now).until, Some("2026-01-08T00:00:00Z".parse().unwrap()));
        assert_eq!(days.query(), [("from", "2026-01-05".to_owned()), ("to", "2026-01-07".to_owned())]);
    }
}
