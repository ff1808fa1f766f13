//! The limiter's interface to the request path: checks before a request goes upstream, and its reservation until its
//! end.
//!
//! Without a store, requests are counted in memory. With one, a script in Redis checks and counts. While the store is
//! unavailable, `limits.on_store_failure` decides: `allow` counts in memory and reports to the store afterwards,
//! `deny` refuses requests. The end of a request does not wait: it is queued for `keeper`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::auto_block::Refusals;
use super::blocks::Block;
use super::blocks::gate::{Gate, Watcher};
use super::blocks::shelf::Shelf;
use super::calendar::now_ms;
use super::counters::{Ask, Gauge, Settlement, Standing, Used};
use super::keeper;
use super::link::Link;
use super::memory::Memory;
use super::refused::{LimitsRefusedError, Over};
use super::rules::Rules;
use super::settings::Settings;
use super::shared::{Job, Shared};
use super::subject::{Subject, message_digest};
use crate::ledger;
use crate::limits::settings::{AutoBlock, OnStoreFailure};
use callsign_core::allowance::{Ceilings, Estimate};
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_telemetry::metrics::Metrics;

/// Maximum number of queued ends of requests. Further ones are dropped, and their estimates stay charged.
const MOST_JOBS: usize = 65_536;
/// Maximum time that [`Limiter::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);
/// The endpoints whose requests count as messages (docs/SPEC.md#messages).
const MESSAGES: [&str; 4] = ["chat/completions", "completions", "responses", "messages"];

/// A cheap handle to the limiter.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Shared>);

/// An error of starting the limiter.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// The configured data directory cannot be used.
    #[error("limits: cannot use the data directory (CALLSIGN_DATA_DIR): {0}")]
    Directory(std::io::Error),
    /// The worker thread cannot be started.
    #[error("limits: cannot start the worker thread: {0}")]
    Thread(std::io::Error),
    /// The store's URL is invalid.
    #[error("limits: CALLSIGN_LIMIT_STORE is not a valid Redis URL")]
    Store,
}

impl Limiter {
    /// Starts the worker. The store need not be reachable.
    ///
    /// # Errors
    /// [`LimitsError`] if the data directory, the store's URL or the thread cannot be used.
    pub fn start(
        settings: &Settings,
        data: &ledger::settings::Settings,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, LimitsError> {
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
                    tracing::error!(%error, "limits: cannot use the data directory; counting in memory only");
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
            leases: parking_lot::Mutex::default(),
            refusals: Refusals::default(),
            jobs,
            closing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        });
        shared.gate.set(shared.shelf.first());
        keeper::start(Arc::clone(&shared), queue, journal).map_err(LimitsError::Thread)?;
        Ok(Self(shared))
    }

    /// Returns the stored block list, for changing it.
    pub fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// Returns the block list in force, for checking requests.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Returns false while the store is unavailable and `limits.on_store_failure` is `deny`. New requests of callers with
    /// limits then get 503 `limits_unavailable`.
    pub fn is_available(&self) -> bool {
        self.0.down == OnStoreFailure::Allow || self.0.link.as_ref().is_none_or(|link| link.is_up())
    }

    /// Returns true if a user could be treated differently from others: somebody is blocked, or limits hold.
    pub fn tells_users_apart(&self, rules: &Rules) -> bool {
        rules.tell_users_apart() || self.0.gate.is_any_blocked()
    }

    /// Returns a watcher that signals when this caller's running requests must end.
    pub fn watch(&self, sources: &CallerIdentity<'_>, sent: Option<&str>) -> Watcher {
        self.0.gate.watch(sources, sent)
    }

    /// Checks blocks and limits of a request and counts it. `sent` is the user's identifier as it would go upstream.
    /// The reservation is `None` if the caller has no limits.
    ///
    /// `request` is the request's id, by which [`Limiter::correct`] finds the estimate later.
    ///
    /// # Errors
    /// [`LimitsRefusedError`] if the caller is blocked, a limit is reached, or the store is unavailable and configured
    /// to deny.
    pub async fn admit(
        &self,
        rules: &Rules,
        (sources, sent): (&CallerIdentity<'_>, Option<&str>),
        request: RequestId,
        endpoint: &Inference,
    ) -> Result<Option<Reservation>, LimitsRefusedError> {
        if rules.stops(sources) || self.0.gate.stops(sources, sent) {
            self.0.metrics.limits.blocked.inc();
            return Err(LimitsRefusedError::Blocked);
        }
        let ceilings = rules.ceilings(sources);
        if !ceilings.is_any() {
            return Ok(None);
        }
        let id = reservation_id(request);
        let message = MESSAGES.contains(&endpoint.path).then(|| sources.message.map_or(id, message_digest));
        let estimate = if endpoint.is_free() { Estimate { tokens: 0, usd: 0 } } else { rules.estimate };
        let ask = Ask { id, ceilings, message, estimate, enforce: !rules.dry_run };
        let subject = Subject::of(sources);
        let (standing, reservation) = self.reserve(subject, ask, rules.count_byok).await?;
        if let Some((limit, _)) = standing.over() {
            if rules.dry_run {
                self.0.metrics.limits.would_refuse(limit);
            } else {
                reservation.drop_uncounted();
                self.0.metrics.limits.refused(limit);
                return Err(LimitsRefusedError::Over(Over { limit, ceilings, gauges: standing.gauges }));
            }
        }
        Ok(Some(reservation))
    }

    async fn reserve(
        &self,
        subject: Subject,
        ask: Ask,
        count_byok: bool,
    ) -> Result<(Standing, Reservation), LimitsRefusedError> {
        let shared = &self.0;
        let held = |ask, counted| {
            let (shared, at_ms) = (Arc::clone(shared), now_ms());
            Reservation { shared, subject, ask, count_byok, at_ms, counted }
        };
        let Some(link) = &shared.link else {
            let standing = shared.memory.reserve(subject, &ask, now_ms());
            return Ok((standing, held(ask, Counted::Here)));
        };
        if link.is_up() {
            // Created before the store answers, so that dropping it (the client left, or no answer) takes the count
            // back.
            let reservation = held(ask, Counted::InStore);
            if let Ok(standing) = link.reserve(subject, &ask, None).await {
                if standing.counted && ask.ceilings.of(callsign_core::allowance::Limit::Concurrent).is_some() {
                    shared.leases().insert(ask.id, subject);
                }
                return Ok((standing, reservation));
            }
        }
        match shared.down {
            OnStoreFailure::Deny => Err(LimitsRefusedError::Unavailable),
            OnStoreFailure::Allow => {
                // Another id, because the first one may still be taken back in the store.
                let ask = Ask { id: ask.id ^ 1, ..ask };
                let standing = shared.memory.reserve(subject, &ask, now_ms());
                Ok((standing, held(ask, Counted::Meanwhile)))
            }
        }
    }

    /// Replaces the estimates of an ended request by its use, which was found later. `None` if the use can never be
    /// found; the estimates then stay charged. A request that is unknown here, or was corrected before, is ignored. A day
    /// or month that is over is not changed. `count_byok` as in [`Rules`].
    pub fn correct(&self, sources: &CallerIdentity<'_>, request: RequestId, usage: Option<&Usage>, count_byok: bool) {
        let (subject, id) = (Subject::of(sources), reservation_id(request));
        let used = usage.map(|usage| used(usage, count_byok)).unwrap_or_default();
        self.0.correct(subject, id, used);
    }

    /// Returns the user to suspend if providers refuse their requests too often.
    pub fn suspect(&self, rules: &Rules, tenant: Option<&str>, user: &str) -> Suspect {
        Suspect {
            shared: Arc::clone(&self.0),
            auto_block: rules.auto_block,
            tenant: tenant.map(str::to_owned),
            user: user.to_owned(),
        }
    }

    /// Returns the current use of a subject's limits, over all processes.
    ///
    /// # Errors
    /// [`StoreUnavailableError`](super::StoreUnavailableError) if the store is unavailable.
    pub async fn look(&self, subject: Subject, ceilings: Ceilings) -> Result<[Gauge; 6], super::StoreUnavailableError> {
        match &self.0.link {
            None => Ok(self.0.memory.look(subject, ceilings, now_ms())),
            Some(link) => super::look::in_store(link, subject, ceilings).await,
        }
    }

    /// Finishes queued tasks and stops the worker, for the end of a drain. Gives up after five seconds.
    pub async fn close(&self) {
        let mut closed = self.0.closed.subscribe();
        self.0.closing.send_replace(true);
        if tokio::time::timeout(CLOSING, closed.wait_for(|closed| *closed)).await.is_err() {
            tracing::error!("limits: shutdown timed out; the latest counts may be lost");
        }
    }
}

/// The user of one request, for counting refusals by providers (auto-block).
#[derive(Debug)]
pub struct Suspect {
    shared: Arc<Shared>,
    auto_block: Option<AutoBlock>,
    tenant: Option<String>,
    user: String,
}

impl Suspect {
    /// Counts a refusal by a provider. Suspends the user after too many.
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

/// The place where a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// In memory; no store is configured.
    Here,
    /// In the store.
    InStore,
    /// In memory, while the store is unavailable.
    Meanwhile,
    /// Settled as pending, because its client has left.
    Pending,
    /// Not counted, because it was refused.
    Nowhere,
}

/// A request's reserved quota. Dropping it without calling `settle` refunds the reservation.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    subject: Subject,
    ask: Ask,
    /// True if the provider's bill counts.
    count_byok: bool,
    at_ms: i64,
    counted: Counted,
}

impl Reservation {
    /// Returns true if a budget applies, so that the response's usage is needed.
    pub fn has_budget(&self) -> bool {
        self.ask.ceilings.has_budget()
    }

    /// Replaces the estimate by the actual use, as far as it is known. `can_be_found` is true if [`Limiter::correct`] will
    /// be called for a pending cost.
    pub fn settle(mut self, bill: Bill, usage: &Usage, can_be_found: bool) {
        let tokens = tokens(usage);
        self.end(match bill {
            Bill::Free => Settlement::Used(Used { tokens: Some(0), usd: Some(0) }),
            Bill::Known => Settlement::Used(used(usage, self.count_byok)),
            Bill::Pending if can_be_found => Settlement::Pending(Used { tokens, usd: None }),
            Bill::Pending | Bill::Never => Settlement::Used(Used { tokens, usd: None }),
        });
    }

    /// Gives back the place under the limit `concurrent`, because the client has left. The estimates stay charged until
    /// [`Reservation::settle`].
    pub fn client_left(&mut self) {
        self.end(Settlement::Pending(Used::default()));
        self.counted = Counted::Pending;
    }

    fn drop_uncounted(mut self) {
        self.counted = Counted::Nowhere;
    }

    fn end(&mut self, settlement: Settlement) {
        let (shared, id) = (&self.shared, self.ask.id);
        match std::mem::replace(&mut self.counted, Counted::Nowhere) {
            Counted::Nowhere => {}
            Counted::Pending => match settlement {
                // The use is found later.
                Settlement::Pending(_) => {}
                Settlement::Used(used) => shared.correct(self.subject, id, used),
                Settlement::Undone => shared.correct(self.subject, id, Used { tokens: Some(0), usd: Some(0) }),
            },
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

/// Returns the id of a request's reservation: 63 of the random bits of its own id. The last bit tells a reservation that
/// was counted while the store was unavailable.
fn reservation_id(request: RequestId) -> u64 {
    let low = request.as_bytes().last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    low & !1
}

/// Returns all tokens of a request; `None` if none were reported.
fn tokens(usage: &Usage) -> Option<i64> {
    let counts = [usage.prompt_tokens, usage.completion_tokens];
    let sum = counts.into_iter().flatten().reduce(u64::saturating_add);
    sum.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX))
}

/// Returns what a request with a known cost takes from budgets. OpenRouter reports no tokens where it does not charge by
/// tokens, for example for speech; such a request takes none.
fn used(usage: &Usage, count_byok: bool) -> Used {
    let usd = if count_byok { usage.total_cost() } else { usage.cost };
    Used { tokens: usd.map(|_| tokens(usage).unwrap_or(0)), usd: usd.map(|usd| usd.0) }
}
