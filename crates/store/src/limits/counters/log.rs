//! A log of times and marks, in order of time.

use std::collections::VecDeque;

/// Inserts into a log in order of time, even if the clock was set back.
pub(super) fn insert(log: &mut VecDeque<(i64, u64)>, mark: (i64, u64)) {
    let place = log.iter().rposition(|(at, _)| *at <= mark.0).map_or(0, |index| index + 1);
    log.insert(place, mark);
}
