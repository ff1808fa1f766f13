//! Reads the use of limits for the console and the command line.

use std::path::Path;

use super::ask::{Ask, Gauge};
use super::calendar::{Calendar, now_ms};
use super::counters::Counters;
use super::link::{Link, StoreUnavailableError};
use super::subject::Subject;
use crate::state::StateError;
use crate::state::counters::CounterTable;
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

/// Returns a subject's use according to `state.db` in a data directory, which may be one second old.
///
/// # Errors
/// [`StateError`] if the file cannot be read.
pub async fn in_directory(
    directory: &Path,
    calendar: &Calendar,
    subject: Subject,
    ceilings: Ceilings,
) -> Result<[Gauge; 6], StateError> {
    let text = CounterTable::look(directory, &subject.hex()).await?;
    let counters: Option<Counters> = text.and_then(|text| serde_json::from_str(&text).ok());
    let moment = calendar.at(now_ms());
    Ok(counters.map_or([Gauge::default(); 6], |mut counters| counters.look(ceilings, &moment)))
}
