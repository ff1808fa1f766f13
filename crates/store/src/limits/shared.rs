//! The state that requests and the worker thread share.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};

use super::auto_block::Refusals;
use super::blocks::Block;
use super::blocks::gate::Gate;
use super::blocks::shelf::Shelf;
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
    pub(super) gate: Arc<Gate>,
    pub(super) shelf: Shelf,
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
    /// Sets a block.
    Stop(Block),
}

impl Shared {
    pub(super) fn leases(&self) -> MutexGuard<'_, HashMap<u64, Subject>> {
        self.leases.lock()
    }

    pub(super) fn hand_over(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            self.metrics.limits.unsettled.inc();
        }
    }
}
