//! `callsign reconcile`: looks up the pending rows once.

use std::time::Duration;

use callsign_store::ledger::query::{Filter, Pending};
use callsign_store::ledger::{Keeper, LedgerError, Reader};
use tokio::time::sleep;

use super::pace::{Pace, Suspensions};
use super::records::{Finding, Records};
use super::schedule::is_expired;
use super::{Conclusion, conclusion, now_us, write};

/// Maximum number of look-ups of one request while OpenRouter asks to wait.
const TRIES: u32 = 5;
/// Wait before the second look-up, which then doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The result for one request.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// The cost was written. False if another process was first.
    Filled(bool, Finding),
    /// The request will never have a cost.
    Never,
    /// No configured key can read the record.
    NoKey,
    /// OpenRouter has no record of it yet, or did not answer.
    Unresolved(Finding),
}

/// Looks up requests in the pace that all nodes share.
#[derive(Debug)]
pub(crate) struct Once {
    records: Records,
    keeper: Keeper,
    pace: Pace,
    suspensions: Suspensions,
}

impl Once {
    pub(crate) fn new(records: Records, keeper: Keeper) -> Self {
        Self { records, pace: Pace::new(keeper.clone()), keeper, suspensions: Suspensions::default() }
    }

    /// Looks up one request and writes the result into the ledger.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(crate) async fn run_once(&mut self, request: &Pending) -> Result<Resolved, LedgerError> {
        let now = now_us();
        if !self.records.has_key(request) {
            if is_expired(request, now) {
                write(&self.keeper, request, None).await?;
                return Ok(Resolved::Never);
            }
            return Ok(Resolved::NoKey);
        }
        let finding = self.look_up(request).await?;
        Ok(match conclusion(&finding, request, now) {
            Conclusion::Open => Resolved::Unresolved(finding),
            Conclusion::Never => {
                write(&self.keeper, request, None).await?;
                Resolved::Never
            }
            Conclusion::Cost(price) => Resolved::Filled(write(&self.keeper, request, Some(price)).await?, finding),
        })
    }

    async fn look_up(&mut self, request: &Pending) -> Result<Finding, LedgerError> {
        let account = request.account.as_deref().unwrap_or_default();
        let mut wait = FIRST_WAIT;
        for number in 1.. {
            let now = now_us();
            // A key that was refused once is not tried again.
            if self.suspensions.has(account, now) {
                return Ok(Finding::Refused(401));
            }
            let slot = self.pace.slot(1, now).await?;
            sleep(Duration::from_micros(u64::try_from(slot.at - now).unwrap_or_default())).await;
            let finding = self.records.look_up(request).await;
            let now = now_us();
            self.pace.learn(slot, &finding, now).await?;
            match finding {
                Finding::Later { .. } | Finding::Failed(_) if number < TRIES => sleep(wait).await,
                Finding::Refused(status) => {
                    self.suspensions.add(account, now);
                    return Ok(Finding::Refused(status));
                }
                finding => return Ok(finding),
            }
            wait *= 2;
        }
        Ok(Finding::NotYet)
    }
}

/// Returns all requests with a pending cost, about 200 bytes each.
///
/// # Errors
/// [`LedgerError`].
pub(crate) async fn pending(reader: &Reader, filter: &Filter) -> Result<Vec<Pending>, LedgerError> {
    let mut all: Vec<Pending> = Vec::new();
    loop {
        let page = reader.pending(filter, all.last().map(|request| request.id)).await?;
        let is_last = page.len() < Reader::PENDING_PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
