//! The thread of a server that exchanges blocks and run-time limits with the places of state, and tells them what it obeys.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::OperatorState;
use super::acknowledgement::Progress;
use crate::state::{StateError, StateStore, Synced};
use crate::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;

/// Polling interval. A change must be in force within one second (docs/SPEC.md#blocking).
const LOOK: Duration = Duration::from_millis(250);
/// Pause after a failed exchange.
const RETRY: Duration = Duration::from_millis(500);
/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// Time between two removals of ended blocks.
const TIDY: Duration = Duration::from_mins(10);
/// Time for which `/readyz` says that the place went back in time.
const SHOWN: Duration = Duration::from_hours(1);
/// Maximum wait for the first exchange.
const START: Duration = Duration::from_secs(15);

/// The problem of a server whose places have not answered since its start.
const UNREAD: &str = "the list of blocks has not been read yet: no place of state answers";

/// The parts that the worker uses.
pub(in crate::limits) struct Worker {
    pub(in crate::limits) store: OperatorState,
    pub(in crate::limits) state: StateStore,
    pub(in crate::limits) metrics: Arc<Metrics>,
    pub(in crate::limits) clock: Arc<TrustedClock>,
    /// Days for which the audit log is kept.
    pub(in crate::limits) days: u32,
    pub(in crate::limits) closing: watch::Receiver<bool>,
    /// Kept until the worker has ended.
    pub(in crate::limits) lock: Option<crate::state::DirectoryLock>,
}

/// Starts the thread and waits for the first exchange. Returns its result.
///
/// # Errors
/// An error if the thread cannot be started.
pub(in crate::limits) fn start(worker: Worker) -> std::io::Result<Synced> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (first, waiting) = mpsc::channel();
    let body = move || runtime.block_on(worker.run(first));
    std::thread::Builder::new().name("state".to_owned()).spawn(body)?;
    Ok(waiting.recv_timeout(START).unwrap_or_default())
}

impl Worker {
    async fn run(mut self, first: mpsc::Sender<Synced>) {
        let node = uuid::Uuid::now_v7().simple().to_string();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // The end of the id is random.
        let random: String = node.chars().skip(26).collect();
        // A sandbox may hide the host's name.
        let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("callsign");
        let name = format!("{}-{random}", host.replace(' ', "-"));
        let mut report = Report::default();
        let (mut beaten, mut tidied) = (None::<Instant>, Instant::now());
        let mut version = None;
        let mut nodes = Vec::new();
        let mut progress = Progress::default();
        let mut closing = self.closing.clone();
        if self.lock.is_some() {
            self.state.take_over_file().await;
        }
        loop {
            let synced = self.store.exchange(&mut self.state).await;
            report.say(&synced, &self.state, &self.metrics);
            if synced.stored != version || beaten.is_none_or(|at| at.elapsed() >= BEAT) || self.store.is_awaited() {
                (version, beaten) = (synced.stored, Some(Instant::now()));
                self.state.beat(&node, &name).await;
                nodes = self.state.nodes().await;
            }
            progress = Progress::new(&synced, self.state.is_nowhere(), nodes.clone(), &progress);
            self.store.publish(progress.clone());
            if self.store.is_unread() {
                self.metrics.health.set("blocks", UNREAD);
            } else {
                self.metrics.health.clear("blocks");
            }
            report.say_keys(&self.store, &self.metrics);
            let pause = if synced.failed.is_empty() { LOOK } else { RETRY };
            let _started = first.send(synced);
            if tidied.elapsed() >= TIDY && self.clock.may_delete() {
                tidied = Instant::now();
                self.store.lift_ended(Timestamp::now(), self.days);
            }
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => break,
                () = self.store.changed(pause) => {}
            }
        }
        self.store.exchange(&mut self.state).await;
        self.state.leave(&node).await;
        self.store.end();
        drop(self.lock);
    }
}

/// The problems that were logged already.
#[derive(Default)]
struct Report {
    failed: Vec<StateError>,
    unreadable: usize,
    /// The latest time at which the place had lost entries.
    restored: Option<Instant>,
    refused_keys: usize,
    are_keys_stale: bool,
}

impl Report {
    /// Logs changes, and sets metrics and health.
    fn say(&mut self, synced: &Synced, state: &StateStore, metrics: &Metrics) {
        if synced.restored > 0 {
            let entries = synced.restored;
            tracing::error!(entries, place = state.name(), "state: the place has lost entries; they were given back");
            metrics.state.restored.inc_by(entries as u64);
            self.restored = Some(Instant::now());
            metrics.health.set("state_restored", "the place of state went back in time; it got later changes back");
        }
        if self.restored.is_some_and(|at| at.elapsed() >= SHOWN) {
            self.restored = None;
            metrics.health.clear("state_restored");
        }
        if synced.failed != self.failed {
            for error in &synced.failed {
                tracing::error!(%error, "state: exchange failed; the known list stays in force; retrying");
            }
            if synced.failed.is_empty() {
                tracing::info!(place = state.name(), "state: available");
            }
            self.failed.clone_from(&synced.failed);
        }
        metrics.state.up.set(i64::from(synced.failed.is_empty()));
        metrics.state.unreadable.set(i64::try_from(synced.unreadable).unwrap_or(i64::MAX));
        if synced.unreadable != std::mem::replace(&mut self.unreadable, synced.unreadable) {
            match synced.unreadable {
                0 => metrics.health.clear("state"),
                entries => {
                    tracing::error!(entries, "state: entries cannot be read; their last good copies stay in force");
                    metrics.health.set("state", "entries of the state (blocks, run-time limits) cannot be read");
                }
            }
        }
    }

    /// Logs refused rows of keys and a list that is too old, and sets metrics and health.
    fn say_keys(&mut self, store: &OperatorState, metrics: &Metrics) {
        let refused = store.keys().refused();
        metrics.state.refused_keys.set(i64::try_from(refused).unwrap_or(i64::MAX));
        if refused != std::mem::replace(&mut self.refused_keys, refused) {
            match refused {
                0 => metrics.health.clear("keys"),
                rows => {
                    tracing::error!(
                        rows,
                        "keys: rows in the database were not written by callsign with this CALLSIGN_ID_SECRET; they are refused"
                    );
                    metrics
                        .health
                        .set("keys", "rows of keys in the database are refused: see docs/KEYS.md#refused-rows");
                }
            }
        }
        let is_stale = store.keys().is_stale() && store.are_keys_stale();
        if is_stale != std::mem::replace(&mut self.are_keys_stale, is_stale) {
            if is_stale {
                tracing::error!(
                    "keys: the list is too old (CALLSIGN_KEYS_MAX_STALE_SECONDS); keys in the database get 503"
                );
                metrics.health.set("keys_age", "the list of keys is too old: the place of state does not answer");
            } else {
                tracing::info!("keys: the list is up to date");
                metrics.health.clear("keys_age");
            }
        }
    }
}
