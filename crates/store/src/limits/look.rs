//! Reads the use of limits for the dashboard and the command line.

use std::path::Path;

use super::ask::{Ask, Gauge};
use super::calendar::{Calendar, now_ms};
use super::link::{Link, StoreUnavailableError};
use super::subject::Subject;
use callsign_core::allowance::{Ceilings, Limit};

/// Returns a subject's use according to the store.
///
/// # Errors
/// [`StoreUnavailableError`] if the store is unavailable.
pub async fn in_store(
    link: &Link,
    calendar: &Calendar,
    subject: Subject,
    ceilings: Ceilings,
) -> Result<[Gauge; 6], StoreUnavailableError> {
    // A limit of zero refuses the request, so that the script returns the use without counting.
    let mut closed = ceilings;
    closed.0[Limit::Concurrent as usize] = Some(0);
    let now = link.now_ms();
    let around = calendar.around(now);
    let standings = link.reserve(&[(subject, Ask::looking(closed))], &around, None).await?;
    let mut gauges = standings.first().ok_or(StoreUnavailableError(None))?.gauges;
    for (limit, gauge) in Limit::ALL.into_iter().zip(&mut gauges) {
        super::counters::exhausted(limit, ceilings, gauge, &around.at(now));
    }
    let concurrent = &mut gauges[Limit::Concurrent as usize];
    if ceilings.of(Limit::Concurrent).is_none_or(|most| concurrent.used < most) {
        concurrent.wait_ms = 0;
    }
    Ok(gauges)
}

/// Returns a subject's use according to the counter files of a data directory, which may be one second old.
///
/// # Errors
/// An I/O error if a file cannot be read.
pub fn in_directory(
    directory: &Path,
    calendar: &Calendar,
    subject: Subject,
    ceilings: Ceilings,
) -> std::io::Result<[Gauge; 6]> {
    let moment = calendar.at(now_ms());
    let mut gauges = [Gauge::default(); 6];
    for mut counters in super::journal::look(directory, subject)? {
        for (sum, of) in gauges.iter_mut().zip(counters.look(ceilings, &moment)) {
            sum.used += of.used;
            sum.wait_ms = sum.wait_ms.max(of.wait_ms);
        }
    }
    Ok(gauges)
}
