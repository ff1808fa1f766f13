//! Reads the use of limits for the dashboard and the command line.

use std::path::Path;

use super::calendar::now_ms;
use super::counters::{Ask, Gauge};
use super::link::{Link, StoreUnavailableError};
use super::subject::Subject;
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

/// Returns a subject's use according to the counter files of a data directory, which may be one second old.
///
/// # Errors
/// An I/O error if a file cannot be read.
pub fn in_directory(directory: &Path, subject: Subject, ceilings: Ceilings) -> std::io::Result<[Gauge; 6]> {
    let mut gauges = [Gauge::default(); 6];
    for mut counters in super::journal::look(directory, subject)? {
        for (sum, of) in gauges.iter_mut().zip(counters.look(ceilings, now_ms())) {
            sum.used += of.used;
            sum.wait_ms = sum.wait_ms.max(of.wait_ms);
        }
    }
    Ok(gauges)
}
