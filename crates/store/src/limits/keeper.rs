//! The limits' worker thread. It connects to the store, settles requests there, and writes counters to `state.db`.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::calendar::now_ms;
use super::counter_file::CounterFile;
use super::link::{LEASE, Link};
use super::shared::{Job, Shared};
use crate::state::DirectoryLock;

/// Interval of the periodic work.
const LOOK: Duration = Duration::from_millis(300);
/// Interval of connection attempts and of writing counters.
const EVERY: Duration = Duration::from_secs(1);
/// Maximum number of ends of requests per batch.
const BATCH: usize = 256;
/// Maximum number of jobs that wait for the store here. As many wait in the channel.
const MOST_WAITING: usize = 65_536;
/// Interval of removing expired counters.
const TIDY: Duration = Duration::from_mins(1);

/// Maximum wait for loading counters.
const START: Duration = Duration::from_secs(15);

/// The problem of a server that cannot read its counters.
const UNKEPT: &str = "counters of limits are in memory only: state.db cannot be read";

/// Starts the worker thread, and waits until it has loaded the counters in the directory.
pub(super) fn start(
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    directory: Option<PathBuf>,
    lock: Option<DirectoryLock>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (loaded, waiting) = std::sync::mpsc::channel();
    let body = move || {
        runtime.block_on(async move {
            let file = match directory {
                Some(directory) => {
                    let file = CounterFile::open(&directory, &shared.memory).await;
                    if file.is_none() {
                        shared.metrics.health.set("counters", UNKEPT);
                    }
                    file
                }
                None => None,
            };
            let _started = loaded.send(());
            let keeper = Keeper {
                shared,
                file,
                waiting: VecDeque::new(),
                written: Instant::now(),
                dialled: None,
                renewed: Instant::now(),
                tidied: Instant::now(),
                is_counted: false,
                was_up: false,
                _lock: lock,
            };
            keeper.run(jobs).await;
        });
    };
    std::thread::Builder::new().name("limits".to_owned()).spawn(body)?;
    let _ended = waiting.recv_timeout(START);
    Ok(())
}

struct Keeper {
    shared: Arc<Shared>,
    file: Option<CounterFile>,
    /// Jobs that wait for the store.
    waiting: VecDeque<Job>,
    written: Instant,
    dialled: Option<Instant>,
    renewed: Instant,
    tidied: Instant,
    /// True if the present outage of the store has been counted.
    is_counted: bool,
    /// True if the store was connected at the latest look.
    was_up: bool,
    /// Kept until the last counters are written.
    _lock: Option<DirectoryLock>,
}

impl Keeper {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closing = self.shared.closing.subscribe();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                _ = looks.tick() => {
                    if Arc::strong_count(&self.shared) == 1 {
                        // All handles were dropped.
                        break;
                    }
                    self.look().await;
                }
                // While the store is away, further jobs stay in the bounded channel.
                _ = jobs.recv_many(&mut batch, BATCH), if self.waiting.len() < MOST_WAITING => {
                    self.waiting.extend(batch.drain(..));
                    self.work().await;
                }
            }
        }
        while let Ok(job) = jobs.try_recv() {
            self.waiting.push_back(job);
        }
        self.work().await;
        self.write().await;
        self.shared.closed.send_replace(true);
    }

    /// Runs the periodic work.
    async fn look(&mut self) {
        if let Some(link) = self.shared.link.clone() {
            self.dial(&link).await;
            self.renew(&link).await;
            self.work().await;
        }
        if self.written.elapsed() >= EVERY {
            self.write().await;
            self.rebuild().await;
        } else if self.shared.link.as_ref().is_some_and(|link| !link.is_rebuilt()) {
            self.rebuild().await;
        }
        if self.tidied.elapsed() >= TIDY {
            self.tidied = Instant::now();
            self.shared.memory.tidy(now_ms());
        }
    }

    /// Tries to connect to the store, once a second.
    async fn dial(&mut self, link: &Link) {
        let metrics = &self.shared.metrics.limits;
        let is_up = link.is_up();
        metrics.store_up.set(i64::from(is_up));
        // A lost connection is an outage, however soon it is back. A start without a failure is none.
        let mut failed = std::mem::replace(&mut self.was_up, is_up) && !is_up;
        if !is_up && self.dialled.is_none_or(|at| at.elapsed() >= EVERY) {
            self.dialled = Some(Instant::now());
            match link.dial().await {
                Ok(()) => {
                    metrics.store_up.set(1);
                    self.was_up = true;
                    tracing::info!("limits: store connected");
                }
                // Only the error's kind is logged, so that the URL's password is not.
                Err(error) => {
                    failed = true;
                    tracing::warn!(kind = ?error.kind(), "limits: store unavailable; retrying every second");
                }
            }
        }
        if failed && !std::mem::replace(&mut self.is_counted, true) {
            metrics.store_failures.inc();
        }
        if self.was_up {
            self.is_counted = false;
        }
    }

    /// Has budgets rebuilt from the ledger, if the store has restarted: it may have lost its memory or have an old copy.
    async fn rebuild(&self) {
        let rebuilds = self.shared.rebuilds.load(Ordering::Relaxed);
        if let Some(link) = self.shared.link.as_ref().filter(|link| rebuilds && link.is_up())
            && link.claims_rebuilding().await
        {
            self.shared.rebuild.notify_one();
        }
    }

    /// Renews the leases of running requests in the store.
    async fn renew(&mut self, link: &Link) {
        if self.renewed.elapsed() < LEASE / 4 {
            return;
        }
        self.renewed = Instant::now();
        let running: Vec<_> = {
            let leases = self.shared.leases();
            leases.iter().flat_map(|(id, subjects)| subjects.iter().map(|subject| (*id, *subject))).collect()
        };
        for part in running.chunks(BATCH) {
            let Some(live) = link.live() else { return };
            let mut all = redis::pipe();
            for (id, subject) in part {
                all.add_command(live.renew(*subject, *id)).ignore();
            }
            let _told: Result<redis::Value, _> = link.ask(&mut all).await;
        }
    }

    /// Runs waiting jobs. Jobs that the store does not accept stay queued.
    async fn work(&mut self) {
        while !self.waiting.is_empty() {
            let part: Vec<Job> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
            if let Err(part) = self.work_on(part).await {
                for job in part.into_iter().rev() {
                    self.waiting.push_front(job);
                }
                return;
            }
        }
    }

    /// Runs jobs together. A job that the store refuses because of what its keys hold costs only itself.
    async fn work_on(&self, part: Vec<Job>) -> Result<(), Vec<Job>> {
        let Some(link) = &self.shared.link else { return Ok(()) };
        let Some(live) = link.live() else { return Err(part) };
        let mut all = redis::pipe();
        all.ignore_errors();
        for job in &part {
            match job {
                Job::Settle(subject, of, settlement) => {
                    all.add_command(live.settle(*subject, *of, *settlement, None));
                }
                Job::Leave(subject, id) => {
                    all.add_command(super::link::Live::leave(*subject, *id));
                }
                Job::Correct(subject, id, used) => {
                    all.add_command(live.correct(*subject, *id, *used));
                }
                Job::Tell(asks, at_ms, settlement) => {
                    let asks: Vec<_> =
                        asks.iter().map(|(subject, ask)| (*subject, super::Ask { enforce: false, ..*ask })).collect();
                    let around = self.shared.memory.calendar().around(*at_ms);
                    all.add_command(live.tell(&asks, &around, *at_ms));
                    for (subject, ask) in &asks {
                        let chat = ask.message.and_then(|message| message.chat);
                        all.add_command(live.settle(*subject, (ask.id, chat), *settlement, None));
                    }
                }
            }
        }
        let Ok(answers) = link.ask_each(&mut all).await else { return Err(part) };
        let refused = answers.iter().filter(|answer| answer.is_err()).count();
        if refused > 0 {
            tracing::error!(refused, "limits: the store refuses to settle requests: keys of callers are damaged");
            self.shared.metrics.limits.unsettled.inc_by(refused as u64);
        }
        Ok(())
    }

    async fn write(&mut self) {
        self.written = Instant::now();
        match &mut self.file {
            Some(file) => file.write(&self.shared.memory).await,
            // Nobody needs the changes.
            None => self.shared.memory.changes(|_, _| ()),
        }
    }
}
