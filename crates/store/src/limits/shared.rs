//! The state that requests and the worker thread share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc, watch};

use super::ask::{Ask, Settlement, Standing, Used};
use super::auto_block::Refusals;
use super::calendar::now_ms;
use super::link::{Link, StoreUnavailableError};
use super::memory::Memory;
use super::operator_state::OperatorState;
use super::settings::OnStoreFailure;
use super::subject::Subject;
use callsign_core::allowance::Limit;
use callsign_telemetry::metrics::Metrics;

/// Maximum number of proven callers and of warnings that are remembered. Forgetting one costs an uncounted request or a
/// repeated warning.
const MOST_REMEMBERED: usize = 65_536;

/// State that requests and the worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) memory: Memory,
    pub(super) link: Option<Arc<Link>>,
    pub(super) down: OnStoreFailure,
    pub(super) operator_state: OperatorState,
    /// True if the operator state has a place besides memory.
    pub(super) is_kept: bool,
    pub(super) metrics: Arc<Metrics>,
    /// Running requests that the store counts. The worker renews their leases.
    pub(super) leases: Mutex<HashMap<u64, Vec<Subject>>>,
    pub(super) refusals: Refusals,
    /// Callers whose own OpenRouter key has been accepted.
    pub(super) proven: Mutex<HashSet<Subject>>,
    /// The latest period in which a budget's warning was given.
    pub(super) warned: Mutex<HashMap<(Subject, Limit), i64>>,
    /// Signals that budgets must be rebuilt from the ledger.
    pub(super) rebuild: Notify,
    /// True if somebody waits for [`Shared::rebuild`].
    pub(super) rebuilds: AtomicBool,
    pub(super) jobs: mpsc::Sender<Job>,
    /// Signals the worker to end.
    pub(super) closing: watch::Sender<bool>,
    pub(super) closed: watch::Sender<bool>,
}

/// A task for the worker.
#[derive(Debug)]
pub(super) enum Job {
    /// Settles a request of a chat that the store counted.
    Settle(Subject, (u64, Option<u64>), Settlement),
    /// Reports that the client of a request has left.
    Leave(Subject, u64),
    /// Reports to the store a request that was counted in memory while the store was unavailable.
    Tell(Vec<(Subject, Ask)>, i64, Settlement),
    /// Corrects the estimates of a request that the store settled as pending.
    Correct(Subject, u64, Used),
}

impl Shared {
    pub(super) fn leases(&self) -> MutexGuard<'_, HashMap<u64, Vec<Subject>>> {
        self.leases.lock()
    }

    /// Corrects the estimates of a request that was settled as pending, wherever it was counted.
    pub(super) fn correct(&self, subject: Subject, id: u64, used: Used) {
        for id in [id, id ^ 1] {
            self.memory.correct(subject, id, used);
            if self.link.is_some() {
                self.hand_over(Job::Correct(subject, id, used));
            }
        }
    }

    pub(super) fn hand_over(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            self.metrics.limits.unsettled.inc();
        }
    }

    /// Raises the estimates of a request that the store counted.
    pub(super) async fn raise_in_store(&self, asks: &[(Subject, Ask)]) -> Result<Vec<Standing>, StoreUnavailableError> {
        let Some(link) = &self.link else { return Ok(Vec::new()) };
        let around = self.memory.calendar().around(link.now_ms());
        link.raise(asks, &around, None).await
    }

    /// Records that OpenRouter has accepted a caller's own key.
    pub(super) fn prove(&self, subject: Subject) {
        let mut proven = self.proven.lock();
        if proven.len() >= MOST_REMEMBERED {
            proven.clear();
        }
        proven.insert(subject);
    }

    /// Returns true if OpenRouter has accepted a caller's own key in this run.
    pub(super) fn is_proven(&self, subject: Subject) -> bool {
        self.proven.lock().contains(&subject)
    }

    /// Returns true for the first warning about a budget in its running period.
    pub(super) fn is_first_warning(&self, subject: Subject, limit: Limit) -> bool {
        let moment = self.memory.calendar().at(now_ms());
        let period = if limit == Limit::UsdMonth { moment.month } else { moment.day };
        let mut warned = self.warned.lock();
        if warned.len() >= MOST_REMEMBERED {
            warned.clear();
        }
        warned.insert((subject, limit), period) != Some(period)
    }
}
