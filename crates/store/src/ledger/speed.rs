//! The speed of answers: logarithmic classes of the time to the first output, from which percentiles are read.

use super::row::Row;
use callsign_core::usage::outcome::Outcome;

/// The number of classes.
pub(super) const BINS: usize = 24;
/// The upper limit of the first class: 10 ms.
const FIRST_US: f64 = 10_000.0;
/// The ratio of two neighbouring limits. The last class begins at about 330 s.
const RATIO: f64 = 1.6;

/// The sums of successful answers of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Speed {
    pub(super) answers: i64,
    pub(super) first_output_us: i64,
    pub(super) head_us: i64,
    pub(super) output_tokens: i64,
    /// Time from the first output to the end of the answers.
    pub(super) output_us: i64,
}

impl Speed {
    /// Returns the class and the sums of a request; `None` unless it is a successful answer with output
    /// (docs/SPEC.md#time-to-first-output).
    pub(super) fn of(row: &Row) -> Option<(i64, Self)> {
        let ended = row.ended.as_ref()?;
        let first =
            ended.first_output_us.filter(|_| ended.outcome == Some(Outcome::Complete) && ended.error.is_none())?;
        let stored = super::sums::stored;
        let speed = Self {
            answers: 1,
            first_output_us: stored(first),
            head_us: stored(ended.head_us.unwrap_or_default()),
            output_tokens: stored(ended.usage.completion_tokens.unwrap_or_default()),
            output_us: stored(ended.duration_us.saturating_sub(first)),
        };
        Some((bin(first), speed))
    }

    /// Adds other sums.
    pub(super) fn add(&mut self, other: &Self) {
        self.answers = self.answers.saturating_add(other.answers);
        self.first_output_us = self.first_output_us.saturating_add(other.first_output_us);
        self.head_us = self.head_us.saturating_add(other.head_us);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.output_us = self.output_us.saturating_add(other.output_us);
    }
}

/// Returns the upper limit of a class in microseconds.
fn limit(bin: usize) -> f64 {
    FIRST_US * RATIO.powi(i32::try_from(bin).unwrap_or(i32::MAX))
}

/// Returns the class of a time.
fn bin(us: u64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "a class of times needs no exactness")]
    let us = us as f64;
    let bin = (0..BINS - 1).find(|bin| us < limit(*bin)).unwrap_or(BINS - 1);
    i64::try_from(bin).unwrap_or_default()
}

/// Returns the time below which this fraction of the answers lies, in microseconds, by interpolation within a class;
/// 0 without answers. `answers`: the number of answers of each class.
pub(super) fn quantile(answers: &[u64; BINS], fraction: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "a percentile of classes is approximate anyway")]
    let counts = answers.map(|count| count as f64);
    let mut rest = counts.iter().sum::<f64>() * fraction;
    for (bin, count) in counts.into_iter().enumerate() {
        if count > 0.0 && rest <= count {
            let low = if bin == 0 { 0.0 } else { limit(bin - 1) };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, at most 10^9")]
            return (low + (limit(bin) - low) * (rest / count)) as u64;
        }
        rest -= count;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_class_of_its_limits() {
        for (us, expected) in [(0, 0), (9_999, 0), (10_000, 1), (15_999, 1), (16_000, 2), (u64::MAX, 23)] {
            assert_eq!(bin(us), expected, "{us}");
        }
    }

    #[test]
    fn percentiles_are_interpolated_within_a_class() {
        assert_eq!(quantile(&[0; BINS], 0.5), 0);
        let mut answers = [0; BINS];
        (answers[0], answers[1]) = (50, 50);
        assert_eq!((quantile(&answers, 0.5), quantile(&answers, 1.0)), (10_000, 16_000));
        assert_eq!(quantile(&answers, 0.25), 5_000);
        answers[23] = 900;
        assert!(quantile(&answers, 0.95) > 300_000_000);
    }
}
