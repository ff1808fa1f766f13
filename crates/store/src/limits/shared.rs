//! The state that requests and the worker thread share.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};

use super::auto_block::Refusals;
use super::blocks::store::BlockStore;
use super::calendar::now_ms;
use super::counters::{Ask, Settlement, Used};
use super::link::Link;
use super::memory::Memory;
use super::settings::OnStoreFailure;
use super::subject::Subject;
use callsign_telemetry::metrics::Metrics;

/// State that requests and the worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) memory: Memory,
    pub(super) link: Option<Arc<Link>>,
    pub(super) down: OnStoreFailure,
    pub(super) blocks: BlockStore,
    pub(super) metrics: Arc<Metrics>,
    /// Running requests that the store counts. The worker renews their leases.
    pub(super) leases: Mutex<HashMap<u64, Subject>>,
    pub(super) refusals: Refusals,
    pub(super) jobs: mpsc::Sender<Job>,
    /// Signals the worker to end.
    pub(super) closing: watch::Sender<bool>,
    pub(super) closed: watch::Sender<bool>,
}

/// A task for the worker.
#[derive(Debug)]
pub(super) enum Job {
    /// Settles a request that the store counted.
    Settle(Subject, u64, Settlement),
    /// Reports to the store a request that was counted in memory while the store was unavailable.
    Tell(Subject, Ask, i64, Settlement),
    /// Corrects the estimates of a request that the store settled as pending.
    Correct(Subject, u64, Used),
}

impl Shared {
    pub(super) fn leases(&self) -> MutexGuard<'_, HashMap<u64, Subject>> {
        self.leases.lock()
    }

    /// Corrects the estimates of a request that was settled as pending, wherever it was counted.
    pub(super) fn correct(&self, subject: Subject, id: u64, used: Used) {
        for id in [id, id ^ 1] {
            self.memory.correct(subject, id, used, now_ms());
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
}
