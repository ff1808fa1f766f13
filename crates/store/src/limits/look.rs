//! Reads the use of limits for the dashboard and the command line.

use std::path::Path;

use super::calendar::now_ms;
use super::counters::{Ask, Counters, Gauge};
use super::link::{Link, StoreUnavailableError};
use super::subject::Subject;
use crate::state::StateError;
use crate::state::counters::CounterTable;
use callsign_core::allowance::{Ceilings, Estimate, Limit};

/// Returns a subject's use according to the store.
///
/// # Errors
/// [`StoreUnavailableError`] if the store is unavailable.
pub async fn in_store(link: &Link, subject: Subject, ceilings: Ceilings) -> Result<[Gauge; 6], StoreUnavailableError> {
    // A limit of zero refuses the request, so that the script returns the use without counting.
    let mut closed = ceilings;
    closed.0[Limit::Concurrent as usize] = Some(0);
    let estimate = Estimate { tokens: 0, usd: 0 };
    let ask = Ask { id: 0, ceilings: closed, message: Some(0), estimate, enforce: true };
    let mut gauges = link.reserve(subject, &ask, None).await?.gauges;
    let now = now_ms();
    for (limit, gauge) in Limit::ALL.into_iter().zip(&mut gauges) {
        super::counters::exhausted(limit, ceilings, gauge, now);
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
pub async fn in_directory(directory: &Path, subject: Subject, ceilings: Ceilings) -> Result<[Gauge; 6], StateError> {
    let text = CounterTable::look(directory, &subject.hex()).await?;
    let counters: Option<Counters> = text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(counters.map_or([Gauge::default(); 6], |mut counters| counters.look(ceilings, now_ms())))
}
