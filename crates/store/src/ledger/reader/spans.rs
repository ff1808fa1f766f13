//! Divides a period into spans of coarser and finer buckets.

use crate::ledger::grain::Grain;

/// A span of buckets of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) grain: Grain,
    pub(super) from_us: i64,
    pub(super) until_us: i64,
}

/// Returns the spans from `from_us`, rounded down to the hour, until `until_us`, rounded up. Coarse buckets are used
/// where they lie within the period, finer ones at its two ends. `widest` is the coarsest width to use:
/// [`Grain::Hour`], [`Grain::Day`] (or [`Grain::Curve`] instead of it), [`Grain::Month`] or [`Grain::Year`].
pub(super) fn spans(from_us: i64, until_us: i64, widest: Grain) -> Vec<Span> {
    let steps: &[Grain] = match widest {
        Grain::Hour => &[Grain::Hour],
        Grain::Day => &[Grain::Hour, Grain::Day],
        Grain::Curve => &[Grain::Hour, Grain::Curve],
        Grain::Month => &[Grain::Hour, Grain::Day, Grain::Month],
        Grain::Year => &[Grain::Hour, Grain::Day, Grain::Month, Grain::Year],
    };
    let up = |grain: Grain, us: i64| if grain.bucket(us) == us { us } else { grain.next(grain.bucket(us)) };
    let mut spans = Vec::new();
    divide(steps, Grain::Hour.bucket(from_us), up(Grain::Hour, until_us), &up, &mut spans);
    spans
}

/// Divides a period, whose ends are those of buckets of the first width, into spans of all widths.
fn divide(steps: &[Grain], from_us: i64, until_us: i64, up: &impl Fn(Grain, i64) -> i64, spans: &mut Vec<Span>) {
    let Some((grain, wider)) = steps.split_first() else { return };
    let add = |from_us, until_us, spans: &mut Vec<Span>| {
        if from_us < until_us {
            spans.push(Span { grain: *grain, from_us, until_us });
        }
    };
    let Some(coarse) = wider.first() else { return add(from_us, until_us, spans) };
    let (first, last) = (up(*coarse, from_us), coarse.bucket(until_us));
    if first >= last {
        return add(from_us, until_us, spans);
    }
    add(from_us, first, spans);
    divide(wider, first, last, up, spans);
    add(last, until_us, spans);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn shown(from: &str, until: &str, widest: Grain) -> Vec<(Grain, i64, i64)> {
        let spans = spans(us(from), us(until), widest);
        spans.into_iter().map(|span| (span.grain, span.from_us, span.until_us)).collect()
    }

    #[test]
    fn a_span_is_fine_at_its_ends() {
        let time = |text: &str| us(&format!("{text}:00:00Z"));
        let span = |grain, from: &str, until: &str| (grain, time(from), time(until));
        let (from, until) = ("2026-03-30T17:45:00Z", "2026-06-02T05:10:00Z");
        assert_eq!(
            shown(from, until, Grain::Month),
            [
                span(Grain::Hour, "2026-03-30T17", "2026-03-31T00"),
                span(Grain::Day, "2026-03-31T00", "2026-04-01T00"),
                span(Grain::Month, "2026-04-01T00", "2026-06-01T00"),
                span(Grain::Day, "2026-06-01T00", "2026-06-02T00"),
                span(Grain::Hour, "2026-06-02T00", "2026-06-02T06"),
            ]
        );
        assert_eq!(shown(from, until, Grain::Hour), [span(Grain::Hour, "2026-03-30T17", "2026-06-02T06")]);
        let days = shown(from, until, Grain::Curve);
        assert_eq!(days.get(1), Some(&span(Grain::Curve, "2026-03-31T00", "2026-06-02T00")));
        let hour = span(Grain::Hour, "2026-04-01T10", "2026-04-01T12");
        assert_eq!(shown("2026-04-01T10:00:00Z", "2026-04-01T11:30:00Z", Grain::Month), [hour]);
        assert_eq!(shown(until, from, Grain::Month), []);
        assert_eq!(
            shown("2025-11-30T00:00:00Z", "2028-02-01T00:00:00Z", Grain::Year),
            [
                span(Grain::Day, "2025-11-30T00", "2025-12-01T00"),
                span(Grain::Month, "2025-12-01T00", "2026-01-01T00"),
                span(Grain::Year, "2026-01-01T00", "2028-01-01T00"),
                span(Grain::Month, "2028-01-01T00", "2028-02-01T00"),
            ]
        );
    }

    #[test]
    fn spans_join_without_gap_or_overlap() {
        for hours in (0..2_000).chain(15_000..19_000) {
            let from = us("2026-01-30T22:00:00Z");
            let until = from + hours * crate::ledger::grain::HOUR_US;
            for widest in Grain::ALL {
                let mut at = from;
                for span in spans(from, until, widest) {
                    assert_eq!((span.from_us, span.grain.bucket(span.from_us)), (at, span.from_us));
                    at = span.until_us;
                    assert_eq!(span.grain.bucket(at), at);
                }
                assert_eq!(at, until);
            }
        }
    }
}
