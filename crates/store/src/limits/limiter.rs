//! The limiter as requests see it: what they pass before they leave, and what they hold until they have ended.
//!
//! In memory mode everything is counted here. With a store, one script there checks and counts; while it is away, requests
//! are counted here (`open`) and told to the store afterwards, or refused (`closed`). The end of a request never waits: it is
//! handed to `keeper`.

use std::collections::HashMap;
use std::sync::Arc;
use parking_lot::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use callsign_core::allowance::{Ceilings, Estimate};
use super::blocks::Block;
use super::blocks::gate::{Gate, Watcher};
use super::blocks::shelf::Shelf;
use super::auto_block::Refusals;
use super::counters::{Ask, Gauge, Settlement, Standing};
use super::keeper;
use super::link::Link;
use super::memory::Memory;
use super::refused::{Over, Refused};
use super::rules::Rules;
use super::subject::{Subject, message_digest};
use crate::limits::settings::{AutoBlock, OnStoreFailure};
use super::settings::Settings;
use crate::ledger;
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_telemetry::metrics::Metrics;

/// Ends of requests that wait for the store; more are dropped, and their estimates stay charged.
const MOST_JOBS: usize = 65_536;
/// How long [`Limiter::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);
/// What is a message (contract, section 6).
const MESSAGES: [&str; 4] = ["chat/completions", "completions", "responses", "messages"];
/// Costs nothing at OpenRouter.
const FREE: &str = "messages/count_tokens";

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Shared>);

/// What requests and the keeper share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) memory: Memory,
    pub(super) link: Option<Arc<Link>>,
    down: OnStoreFailure,
    pub(super) gate: Arc<Gate>,
    pub(super) shelf: Shelf,
    pub(super) metrics: Arc<Metrics>,
    /// What runs and is counted in the store, so that it can be renewed there.
    pub(super) leases: Mutex<HashMap<u64, Subject>>,
    refusals: Refusals,
    jobs: mpsc::Sender<Job>,
    /// Told to end, and whether it has.
    pub(super) closing: watch::Sender<bool>,
    pub(super) closed: watch::Sender<bool>,
}

/// What is done beside the requests.
#[derive(Debug)]
pub(super) enum Job {
    /// A request has ended that the store counts.
    Settle(Subject, u64, Settlement),
    /// A request has ended that was counted here while the store was away: it is told now.
    Tell(Subject, Ask, i64, Settlement),
    /// Somebody is to be stopped.
    Stop(Block),
}

/// Why there can be no limiter.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// The directory that the operator chose.
    #[error("the data directory cannot be used for limits: {0}")]
    Directory(std::io::Error),
    /// No thread.
    #[error("a thread for limits cannot be had: {0}")]
    Thread(std::io::Error),
    /// No client for the store.
    #[error("the store of limits cannot be used")]
    Store,
}

/// The wall clock.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Limiter {
    /// Starts what goes on beside the requests. The store need not be there.
    ///
    /// # Errors
    /// [`LimitsError`].
    pub fn start(settings: &Settings, data: &ledger::settings::Settings, metrics: &Arc<Metrics>) -> Result<Self, LimitsError> {
        let link = settings.store.as_ref().map(Link::new).transpose().map_err(|_| LimitsError::Store)?;
        let link = link.map(Arc::new);
        let directory = data.data_dir.as_deref();
        let memory = Memory::default();
        let journal = match directory.filter(|_| link.is_none()) {
            None => None,
            Some(directory) => match super::journal::Journal::open(directory, &memory, now_ms()) {
                Ok(journal) => Some(journal),
                Err(error) if data.data_dir_set => return Err(LimitsError::Directory(error)),
                Err(error) => {
                    tracing::error!(%error, "limits are counted in memory only: the data directory cannot be used");
                    None
                }
            },
        };
        let (jobs, queue) = mpsc::channel(MOST_JOBS);
        let shared = Arc::new(Shared {
            memory,
            shelf: Shelf::new(link.clone(), directory),
            link,
            down: settings.on_store_failure,
            gate: Arc::default(),
            metrics: Arc::clone(metrics),
            leases: Mutex::default(),
            refusals: Refusals::default(),
            jobs,
            closing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        });
        shared.gate.set(shared.shelf.first());
        keeper::start(Arc::clone(&shared), queue, journal).map_err(LimitsError::Thread)?;
        Ok(Self(shared))
    }

    /// The list of blocks, as the operator's side changes it.
    pub fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// What requests pass.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Watches for a cut of this caller's requests.
    pub fn watch(&self, sources: &CallerIdentity<'_>, sent: Option<&str>) -> Watcher {
        self.0.gate.watch(sources, sent)
    }

    /// Lets a request pass and counts it, or says why not. `sent` is the user's identifier as it would go upstream. Nothing
    /// is held where nothing is limited.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn admit(
        &self,
        rules: &Rules,
        sources: &CallerIdentity<'_>,
        sent: Option<&str>,
        endpoint: &Inference,
    ) -> Result<Option<Reservation>, Refused> {
        if rules.stops(sources) || self.0.gate.stops(sources, sent) {
            self.0.metrics.limits.blocked.inc();
            return Err(Refused::Blocked);
        }
        let ceilings = rules.ceilings(sources);
        if !ceilings.is_any() {
            return Ok(None);
        }
        let id = random();
        let message = MESSAGES.contains(&endpoint.path).then(|| sources.message.map_or(id, message_digest));
        let estimate = if endpoint.path == FREE { Estimate { tokens: 0, usd: 0 } } else { rules.estimate };
        let ask = Ask { id, ceilings, message, estimate, enforce: !rules.dry_run };
        let subject = Subject::of(sources);
        let (standing, reservation) = self.reserve(subject, ask).await?;
        if let Some((limit, _)) = standing.over() {
            if rules.dry_run {
                self.0.metrics.limits.would_refuse(limit);
            } else {
                reservation.drop_uncounted();
                self.0.metrics.limits.refused(limit);
                return Err(Refused::Over(Over { limit, ceilings, gauges: standing.gauges }));
            }
        }
        Ok(Some(reservation))
    }

    async fn reserve(&self, subject: Subject, ask: Ask) -> Result<(Standing, Reservation), Refused> {
        let shared = &self.0;
        let held = |counted| Reservation { shared: Arc::clone(shared), subject, ask, at_ms: now_ms(), counted };
        let Some(link) = &shared.link else {
            let standing = shared.memory.reserve(subject, &ask, now_ms());
            return Ok((standing, held(Counted::Here)));
        };
        if link.is_up() {
            // Held before it is known: a client that leaves meanwhile, or an answer that never comes, takes it back.
            let reservation = held(Counted::InStore);
            if let Ok(standing) = link.reserve(subject, &ask, None).await {
                if standing.counted && ask.ceilings.of(callsign_core::allowance::Limit::Concurrent).is_some() {
                    shared.leases().insert(ask.id, subject);
                }
                return Ok((standing, reservation));
            }
        }
        match shared.down {
            OnStoreFailure::Deny => Err(Refused::Unavailable),
            OnStoreFailure::Allow => {
                // Another number: the first may still be taken back in the store.
                let ask = Ask { id: random(), ..ask };
                let standing = shared.memory.reserve(subject, &ask, now_ms());
                let reservation = Reservation {
                    shared: Arc::clone(shared),
                    subject,
                    ask,
                    at_ms: now_ms(),
                    counted: Counted::Meanwhile,
                };
                Ok((standing, reservation))
            }
        }
    }

    /// Whom to suspend if providers refuse this user too often.
    pub fn suspect(&self, rules: &Rules, tenant: Option<&str>, user: &str) -> Suspect {
        Suspect {
            shared: Arc::clone(&self.0),
            auto_block: rules.auto_block,
            tenant: tenant.map(str::to_owned),
            user: user.to_owned(),
        }
    }

    /// What is used now, by everybody who counts.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn look(&self, subject: Subject, ceilings: Ceilings) -> Result<[Gauge; 6], super::StoreUnavailableError> {
        match &self.0.link {
            None => Ok(self.0.memory.look(subject, ceilings, now_ms())),
            Some(link) => super::look::in_store(link, subject, ceilings).await,
        }
    }

    /// Writes down what is left to be written, then stops; gives up after five seconds. For the end of a drain.
    pub async fn close(&self) {
        let mut closed = self.0.closed.subscribe();
        self.0.closing.send_replace(true);
        if tokio::time::timeout(CLOSING, closed.wait_for(|closed| *closed)).await.is_err() {
            tracing::error!("limits did not write down their last counts in time");
        }
    }
}

impl Shared {
    pub(super) fn leases(&self) -> parking_lot::MutexGuard<'_, HashMap<u64, Subject>> {
        self.leases.lock()
    }

    fn hand_over(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            self.metrics.limits.unsettled.inc();
        }
    }
}

/// The user of one request, where a auto_block counts what providers refuse.
#[derive(Debug)]
pub struct Suspect {
    shared: Arc<Shared>,
    auto_block: Option<AutoBlock>,
    tenant: Option<String>,
    user: String,
}

impl Suspect {
    /// A provider has refused the request.
    pub fn was_refused(self) {
        let Some(auto_block) = self.auto_block else { return };
        let subject = Subject::user(self.tenant.as_deref(), &self.user);
        if !self.shared.refusals.count(auto_block, subject, now_ms()) {
            return;
        }
        self.shared.metrics.limits.suspended.inc();
        let since = Timestamp::now();
        self.shared.hand_over(Job::Stop(Block {
            id: self.user,
            tenant: Some(self.tenant.unwrap_or_default()),
            since,
            until: Some(since.saturating_add(auto_block.suspend).unwrap_or(Timestamp::MAX)),
            reason: Some(format!("suspended: {} refusals by providers", auto_block.refusals)),
            cut: false,
        }));
    }
}

/// Where a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// In this process, which is all there is.
    Here,
    /// In the store.
    InStore,
    /// In this process while the store is away.
    Meanwhile,
    /// Nowhere: it was refused.
    Nowhere,
}

/// What one request has reserved. Dropped without a word about its end, it has never been.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    subject: Subject,
    ask: Ask,
    at_ms: i64,
    counted: Counted,
}

impl Reservation {
    /// Whether what the answer says matters.
    pub fn has_budget(&self) -> bool {
        self.ask.ceilings.has_budget()
    }

    /// Exchanges it for what the request took; what is not known stays as estimated.
    pub fn settle(mut self, tokens: Option<u64>, usd: Option<i64>) {
        let tokens = tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
        self.end(Settlement::Used { tokens, usd });
    }

    fn drop_uncounted(mut self) {
        self.counted = Counted::Nowhere;
    }

    fn end(&mut self, settlement: Settlement) {
        let (shared, id) = (&self.shared, self.ask.id);
        match std::mem::replace(&mut self.counted, Counted::Nowhere) {
            Counted::Nowhere => {}
            Counted::Here => shared.memory.settle(self.subject, id, settlement, now_ms()),
            Counted::InStore => {
                shared.leases().remove(&id);
                shared.hand_over(Job::Settle(self.subject, id, settlement));
            }
            Counted::Meanwhile => {
                shared.memory.settle(self.subject, id, settlement, now_ms());
                if settlement != Settlement::Undone {
                    shared.hand_over(Job::Tell(self.subject, self.ask, self.at_ms, settlement));
                }
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.end(Settlement::Undone);
    }
}

/// A number that no other request has, as far as chance goes.
fn random() -> u64 {
    // Version 7 UUIDs end in 62 random bits.
    uuid::Uuid::now_v7().as_u64_pair().1
}
