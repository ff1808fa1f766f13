//! The reconciliation that an operator starts in the console: pending rows, for some seconds.

use std::sync::Arc;
use std::time::Duration;

use callsign_console::reconcile::{Pending, Reconcile, ReconcileError, Reconciled};
use callsign_store::ledger::query::{Filter, Pending as Request};
use callsign_store::ledger::{Keeper, LedgerError, Reader};
use callsign_store::limits::Limiter;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::once::{Once, Resolved, pending};
use super::records::{Finding, Records};
use super::schedule::caller;
use crate::run::in_force::InForce;

/// Maximum time. An operator waits for the page meanwhile.
const LONGEST: Duration = Duration::from_secs(10);

/// The parts of the running program that it uses.
#[derive(Clone)]
struct Deps {
    in_force: InForce,
    limiter: Limiter,
    reader: Reader,
    keeper: Keeper,
}

/// Returns the function that the console calls; `None` without a ledger.
pub(crate) fn reconcile(in_force: &InForce, limiter: &Limiter) -> Option<Reconcile> {
    let settings = in_force.config().ledger.clone();
    let (reader, keeper) = Reader::open(&settings).ok().zip(Keeper::open(&settings).ok())?;
    let deps = Deps { in_force: in_force.clone(), limiter: limiter.clone(), reader, keeper };
    let running = Arc::new(Mutex::new(()));
    let run = move || -> Pending {
        let (deps, running) = (deps.clone(), Arc::clone(&running));
        Box::pin(async move {
            let Ok(_alone) = running.try_lock() else { return Err(ReconcileError::Busy) };
            deps.run(Instant::now() + LONGEST).await
        })
    };
    Some(Reconcile(Arc::new(run)))
}

impl Deps {
    async fn run(self, deadline: Instant) -> Result<Reconciled, ReconcileError> {
        let records = Records::new(&self.in_force.config());
        let records = records.map_err(|error| ReconcileError::Client(error.to_string()))?;
        let requests = pending(&self.reader, &Filter::default()).await?;
        let mut once = Once::new(records, self.keeper.clone());
        let mut done = Reconciled::default();
        for (number, request) in requests.iter().enumerate() {
            let Ok(resolved) = timeout_at(deadline, once.run_once(request)).await else {
                done.left = (requests.len() - number) as u64;
                break;
            };
            self.count(request, resolved, &mut done)?;
        }
        Ok(done)
    }

    fn count(
        &self,
        request: &Request,
        resolved: Result<Resolved, LedgerError>,
        done: &mut Reconciled,
    ) -> Result<(), LedgerError> {
        let usage = match resolved? {
            Resolved::Filled(is_first, Finding::Found(price)) => {
                if is_first {
                    done.added += 1;
                    done.cost = done.cost.saturating_add(price.usage.total_cost().unwrap_or_default());
                }
                Some(price.usage)
            }
            Resolved::Never => {
                done.never += 1;
                None
            }
            Resolved::NoKey => {
                done.no_key += 1;
                return Ok(());
            }
            Resolved::Unresolved(Finding::Refused(_) | Finding::Failed(_) | Finding::Later { .. }) => {
                done.failed += 1;
                return Ok(());
            }
            Resolved::Filled(..) | Resolved::Unresolved(_) => {
                done.not_there += 1;
                return Ok(());
            }
        };
        let count_byok = self.in_force.config().limits.count_byok;
        self.limiter.correct(&caller(request), request.id, usage.as_ref(), count_byok);
        Ok(())
    }
}
