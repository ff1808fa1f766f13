//! Divides a period into spans of coarser and finer buckets.

use crate::ledger::grain::Grain;

/// A span of buckets of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) grain: Grain,
    pub(super) from_us: i64,
    /// `None` for no end.
    pub(super) until_us: Option<i64>,
}

/// Returns the spans from `from_us`, rounded down to the hour, until now. Each finer span ends where a bucket of the
/// next coarser width begins. `widest` is the coarsest width to use: [`Grain::Hour`], [`Grain::Day`] (or
/// [`Grain::Curve`] instead of it) or [`Grain::Month`].
pub(super) fn spans(from_us: i64, widest: Grain) -> Vec<Span> {
    let steps: &[Grain] = match widest {
        Grain::Hour => &[Grain::Hour],
        Grain::Day => &[Grain::Hour, Grain::Day],
        Grain::Curve => &[Grain::Hour, Grain::Curve],
        Grain::Month => &[Grain::Hour, Grain::Day, Grain::Month],
    };
    let mut from = Grain::Hour.bucket(from_us);
    let mut spans = Vec::new();
    for (grain, wider) in steps.iter().zip(steps.iter().skip(1).map(Some).chain([None])) {
        let until = wider.map(|wider| if wider.bucket(from) == from { from } else { wider.next(wider.bucket(from)) });
        if until != Some(from) {
            spans.push(Span { grain: *grain, from_us: from, until_us: until });
        }
        from = until.unwrap_or(from);
    }
    spans
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn shown(from: &str, widest: Grain) -> Vec<(Grain, i64, Option<i64>)> {
        spans(us(from), widest).into_iter().map(|span| (span.grain, span.from_us, span.until_us)).collect()
    }

    #[test]
    fn a_span_is_fine_at_its_beginning() {
        let hours = (Grain::Hour, us("2026-03-30T17:00:00Z"), Some(us("2026-03-31T00:00:00Z")));
        let days = (Grain::Day, us("2026-03-31T00:00:00Z"), Some(us("2026-04-01T00:00:00Z")));
        let months = (Grain::Month, us("2026-04-01T00:00:00Z"), None);
        assert_eq!(shown("2026-03-30T17:45:00Z", Grain::Month), [hours, days, months]);
        assert_eq!(shown("2026-03-30T17:45:00Z", Grain::Curve), [hours, (Grain::Curve, days.1, None)]);
        assert_eq!(shown("2026-03-30T17:45:00Z", Grain::Hour), [(Grain::Hour, hours.1, None)]);
        assert_eq!(shown("2026-04-01T00:00:00Z", Grain::Month), [months]);
        assert_eq!(shown("2026-03-31T00:59:00Z", Grain::Month), [days, months]);
    }
}
