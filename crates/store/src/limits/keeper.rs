//! The limits' worker thread. It connects to the store, settles requests there, writes counters to the file, and polls
//! the block list.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::calendar::now_ms;
use super::journal::Journal;
use super::link::{LEASE, Link};
use super::shared::{Job, Shared};

/// Polling interval of the block list. A change must be in force within one second (docs/SPEC.md#blocking).
const LOOK: Duration = Duration::from_millis(300);
/// Interval of connection attempts and of writing counters.
const EVERY: Duration = Duration::from_secs(1);
/// Maximum number of ends of requests per batch.
const BATCH: usize = 256;
/// Interval of removing expired counters if no file is written.
const TIDY: Duration = Duration::from_mins(1);

/// Starts the worker thread.
pub(super) fn start(shared: Arc<Shared>, jobs: mpsc::Receiver<Job>, journal: Option<Journal>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keeper = Keeper {
        shared,
        journal,
        waiting: VecDeque::new(),
        written: Instant::now(),
        dialled: None,
        renewed: Instant::now(),
        tidied: Instant::now(),
        told: true,
    };
    std::thread::Builder::new().name("limits".to_owned()).spawn(move || runtime.block_on(keeper.run(jobs)))?;
    Ok(())
}

struct Keeper {
    shared: Arc<Shared>,
    journal: Option<Journal>,
    /// Jobs that wait for the store.
    waiting: VecDeque<Job>,
    written: Instant,
    dialled: Option<Instant>,
    renewed: Instant,
    tidied: Instant,
    /// True if the current state of the store has been logged.
    told: bool,
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
                _ = jobs.recv_many(&mut batch, BATCH) => {
                    self.waiting.extend(batch.drain(..));
                    self.work().await;
                }
            }
        }
        while let Ok(job) = jobs.try_recv() {
            self.waiting.push_back(job);
        }
        self.work().await;
        self.write();
        self.shared.closed.send_replace(true);
    }

    /// Runs the periodic work.
    async fn look(&mut self) {
        if let Some(link) = self.shared.link.clone() {
            self.dial(&link).await;
            self.renew(&link).await;
            self.work().await;
        }
        if let Some(blocks) = self.shared.shelf.news().await {
            tracing::info!(blocks = blocks.len(), "limits: block list changed");
            self.shared.gate.set(blocks);
        }
        if self.written.elapsed() >= EVERY {
            self.write();
            self.rebuild().await;
        }
        if self.journal.is_none() && self.tidied.elapsed() >= TIDY {
            self.tidied = Instant::now();
            self.shared.memory.tidy(now_ms());
        }
    }

    /// Tries to connect to the store, once a second.
    async fn dial(&mut self, link: &Link) {
        let up = &self.shared.metrics.limits.store_up;
        if link.is_up() || self.dialled.is_some_and(|at| at.elapsed() < EVERY) {
            up.set(i64::from(link.is_up()));
            return;
        }
        if std::mem::replace(&mut self.told, true) {
            self.shared.metrics.limits.store_failures.inc();
        }
        up.set(0);
        self.dialled = Some(Instant::now());
        match link.dial().await {
            Ok(()) => {
                up.set(1);
                tracing::info!("limits: store connected");
            }
            // Only the error's kind is logged, so that the URL's password is not.
            Err(error) => tracing::warn!(kind = ?error.kind(), "limits: store unavailable; retrying every second"),
        }
    }

    /// Has budgets rebuilt from the ledger, if the store has lost its memory.
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

    async fn work_on(&self, part: Vec<Job>) -> Result<(), Vec<Job>> {
        let mut left = Vec::new();
        for job in part {
            match job {
                Job::Stop(block) => match self.shared.shelf.put(block.clone()).await {
                    Ok(blocks) => self.shared.gate.set(blocks),
                    Err(error) => {
                        tracing::error!(%error, "limits: cannot store an auto-block; it applies to this process only");
                        let mut blocks = self.shared.gate.blocks();
                        super::blocks::put(&mut blocks, block);
                        self.shared.gate.set(blocks);
                    }
                },
                job => left.push(job),
            }
        }
        let Some(link) = &self.shared.link else { return Ok(()) };
        let Some(live) = link.live() else { return if left.is_empty() { Ok(()) } else { Err(left) } };
        let mut all = redis::pipe();
        for job in &left {
            match job {
                Job::Settle(subject, of, settlement) => {
                    all.add_command(live.settle(*subject, *of, *settlement, None)).ignore();
                }
                Job::Leave(subject, id) => {
                    all.add_command(super::link::Live::leave(*subject, *id)).ignore();
                }
                Job::Correct(subject, id, used) => {
                    all.add_command(live.correct(*subject, *id, *used)).ignore();
                }
                Job::Tell(asks, at_ms, settlement) => {
                    let asks: Vec<_> =
                        asks.iter().map(|(subject, ask)| (*subject, super::Ask { enforce: false, ..*ask })).collect();
                    let around = self.shared.memory.calendar().around(*at_ms);
                    all.add_command(live.reserve(&asks, &around, Some(*at_ms))).ignore();
                    for (subject, ask) in &asks {
                        let chat = ask.message.and_then(|message| message.chat);
                        all.add_command(live.settle(*subject, (ask.id, chat), *settlement, None)).ignore();
                    }
                }
                Job::Stop(_) => {}
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        link.ask::<redis::Value>(&mut all).await.map(drop).map_err(|_| left)
    }

    fn write(&mut self) {
        self.written = Instant::now();
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.write(&self.shared.memory, now_ms())
        {
            tracing::error!(%error, "limits: cannot write counters; retrying in a second");
        }
    }
}
