//! The limiter's interface to the request path: checks before a request goes upstream, and its reservation until its
//! end.
//!
//! Without a store, requests are counted in memory. With one, a script in Redis checks and counts. While the store is
//! unavailable, `limits.on_store_failure` decides: `allow` counts in memory and reports to the store afterwards,
//! `deny` refuses requests. The end of a request does not wait: it is queued for `keeper`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::Guard;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use super::ask::{Ask, Gauge, Message, Spent, Standing};
use super::auto_block::Refusals;
use super::blocks::Block;
use super::blocks::gate::{Gate, Watcher};
use super::calendar::{Calendar, now_ms};
use super::keeper;
use super::link::Link;
use super::memory::Memory;
use super::operator_state::OperatorState;
use super::operator_state::worker::{self, Worker};
use super::overrides::OverrideList;
use super::refused::LimitsRefusedError;
use super::reservation::{Counted, Held, Reservation, State, used};
use super::rules::{Rules, ScopeLimits};
use super::settings::Settings;
use super::shared::Shared;
use super::subject::{Subject, id_digest};
use crate::ledger;
use crate::limits::settings::{AutoBlock, OnStoreFailure};
use crate::state::{Access, DirectoryLock, StateError, StateStore};
use crate::trusted_clock::TrustedClock;
use callsign_core::allowance::{Ceilings, Estimate, Limit};
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_telemetry::alerts::{Alert, AlertKind};
use callsign_telemetry::metrics::Metrics;

/// Maximum number of queued ends of requests. Further ones are dropped, and their estimates stay charged.
const MOST_JOBS: usize = 65_536;
/// Maximum time that [`Limiter::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);
/// The endpoints whose requests count as messages (docs/SPEC.md#messages).
const MESSAGES: [&str; 4] = ["chat/completions", "completions", "responses", "messages"];

/// A request whose limits are checked.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The request's id, by which [`Limiter::correct`] finds the estimate later.
    pub id: RequestId,
    /// The caller.
    pub caller: &'a CallerIdentity<'a>,
    /// The user's identifier as it would go upstream.
    pub sent: Option<&'a str>,
    /// The endpoint.
    pub endpoint: &'a Inference,
    /// True if an app's key let the caller in, so that chat and message ids are the app's (docs/SPEC.md#messages).
    pub by_app: bool,
    /// False if the caller pays with an OpenRouter key of their own.
    pub operator_pays: bool,
}

impl Arrival<'_> {
    /// Returns the message that the request is. Callers who could choose ids themselves are counted by requests.
    fn message(&self) -> Option<Message> {
        let caller = Subject::of(self.caller);
        let digest = |kind, id: Option<&str>| id.filter(|_| self.by_app).map(|id| id_digest(caller, kind, id));
        let named = digest("message", self.caller.message);
        MESSAGES.contains(&self.endpoint.path).then(|| Message {
            mark: named.unwrap_or_else(|| reservation_id(self.id)),
            chat: digest("chat", self.caller.chat),
            is_named: named.is_some(),
        })
    }
}

/// A cheap handle to the limiter.
#[derive(Clone, Debug)]
pub struct Limiter(pub(super) Arc<Shared>);

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
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The parts of the program that the limiter uses.
#[derive(Clone, Debug, Default)]
pub struct LimiterDeps {
    /// Metrics and health.
    pub metrics: Arc<Metrics>,
    /// Decides if ended blocks may be removed.
    pub clock: Arc<TrustedClock>,
    /// The lock on the data directory, kept until the last change is written. Without it the directory is not used.
    pub lock: Option<DirectoryLock>,
}

impl Limiter {
    /// Starts the workers. The stores need not be reachable.
    ///
    /// # Errors
    /// [`LimitsError`] if the data directory, the store's URL or a thread cannot be used, or the state is damaged or of a
    /// newer version.
    pub fn start(
        settings: &Settings,
        data: &ledger::settings::Settings,
        deps: LimiterDeps,
    ) -> Result<Self, LimitsError> {
        let LimiterDeps { metrics, clock, lock } = deps;
        let link = settings.store.as_ref().map(Link::new).transpose().map_err(|_| LimitsError::Store)?;
        let link = link.map(Arc::new);
        let memory = Memory::default();
        memory.set_calendar(Calendar::new(settings.zone.clone()));
        let mut data = data.clone();
        data.data_dir = data.data_dir.filter(|_| lock.is_some());
        let operator_state = OperatorState::default();
        let closing = watch::Sender::new(false);
        let state = StateStore::new(&data, settings.store.as_ref(), Access::Server)?;
        let is_kept = !state.is_nowhere();
        operator_state.guard_against(&state);
        operator_state.configure_keys(settings.key_seal.clone(), settings.keys_max_stale);
        let worker = Worker {
            store: operator_state.clone(),
            state,
            metrics: Arc::clone(&metrics),
            clock,
            days: data.retention_days,
            closing: closing.subscribe(),
            lock: lock.clone(),
        };
        start_state(worker, &mut data)?;
        let (jobs, queue) = mpsc::channel(MOST_JOBS);
        let directory = data.data_dir.filter(|_| link.is_none());
        let shared = Arc::new(Shared {
            memory,
            operator_state,
            is_kept,
            link,
            down: settings.on_store_failure,
            metrics,
            leases: parking_lot::Mutex::default(),
            refusals: Refusals::default(),
            proven: Mutex::default(),
            warned: Mutex::default(),
            rebuild: Notify::new(),
            rebuilds: AtomicBool::new(false),
            jobs,
            closing,
            closed: watch::Sender::new(false),
        });
        if shared.link.is_none() {
            shared.rebuild.notify_one();
        }
        keeper::start(Arc::clone(&shared), queue, directory, lock).map_err(LimitsError::Thread)?;
        Ok(Self(shared))
    }

    /// Returns true if blocks and run-time limits outlast this process.
    pub fn keeps_state(&self) -> bool {
        self.0.is_kept
    }

    /// Returns blocks and run-time limits, for changing them.
    pub fn operator_state(&self) -> &OperatorState {
        &self.0.operator_state
    }

    /// Returns the run-time limits in force.
    pub fn overrides(&self) -> Guard<Arc<OverrideList>> {
        self.0.operator_state.overrides()
    }

    /// Returns the block list in force, for checking requests.
    pub fn gate(&self) -> &Arc<Gate> {
        self.0.operator_state.gate()
    }

    /// Returns false while the store is unavailable and `limits.on_store_failure` is `deny`. New requests of callers with
    /// limits then get 503 `limits_unavailable`.
    pub fn is_available(&self) -> bool {
        let is_up = || self.0.link.as_ref().is_none_or(|link| link.is_up());
        self.0.down == OnStoreFailure::Allow || (is_up() && !self.0.operator_state.is_unread())
    }

    /// Returns true while requests are refused because no place of the block list has answered since the start.
    pub fn refuses_unread_blocks(&self) -> bool {
        self.0.down == OnStoreFailure::Deny && self.0.operator_state.is_unread()
    }

    /// Returns true if a user could be treated differently from others: somebody is blocked, or limits hold.
    pub fn tells_users_apart(&self, rules: &Rules) -> bool {
        rules.tell_users_apart() || self.gate().is_any_blocked() || (!rules.dry_run && !self.overrides().is_empty())
    }

    /// Returns a watcher that signals when this caller's running requests must end.
    pub fn watch(&self, sources: &CallerIdentity<'_>, sent: Option<&str>) -> Watcher {
        self.gate().watch(sources, sent)
    }

    /// Checks blocks and limits of a request and counts it. The reservation is `None` if the caller has no limits.
    ///
    /// # Errors
    /// [`LimitsRefusedError`] if the caller is blocked, a limit is reached, or the store is unavailable and configured
    /// to deny.
    pub async fn admit(&self, rules: &Rules, request: &Arrival<'_>) -> Result<Option<Reservation>, LimitsRefusedError> {
        let sources = request.caller;
        self.check_blocks(rules, sources, request.sent)?;
        let scopes = rules.scopes(sources, request.operator_pays, &self.overrides());
        if scopes.is_empty() {
            return Ok(None);
        }
        let free = Estimate { tokens: 0, usd: 0 };
        let estimate = if request.endpoint.is_free() { free } else { rules.estimate };
        let ask = Ask {
            id: reservation_id(request.id),
            ceilings: Ceilings::default(),
            message: request.message(),
            estimate,
            enforce: !rules.dry_run,
        };
        let held = self.hold(sources, &scopes, ask);
        if !request.operator_pays && !self.0.is_proven(Subject::of(sources)) {
            held.state.lock().counted = Counted::Unproven;
            return Ok(Some(Reservation::new(held, rules.count_byok)));
        }
        let (reservation, standings) = self.reserve(held, rules.count_byok).await?;
        Ok(Some(reservation.judged(estimate, standings)?))
    }

    /// Returns a reservation of a request for all its subjects, which is not counted yet.
    pub(super) fn hold(&self, caller: &CallerIdentity<'_>, scopes: &[ScopeLimits], ask: Ask) -> Arc<Held> {
        Arc::new(Held {
            shared: Arc::clone(&self.0),
            asks: scopes.iter().map(|limits| (limits.subject, Ask { ceilings: limits.ceilings, ..ask })).collect(),
            scopes: scopes.iter().map(|limits| limits.scope).collect(),
            key: caller.key.to_owned(),
            person: caller
                .user
                .filter(|_| self.0.metrics.alerts.is_on())
                .map(|user| (caller.tenant.map(str::to_owned), user.to_owned())),
            at_ms: now_ms(),
            state: Mutex::new(State { counted: Counted::Nowhere, estimate: ask.estimate, standings: Vec::new() }),
        })
    }

    /// Counts a request where it can be counted.
    pub(super) async fn reserve(
        &self,
        mut held: Arc<Held>,
        count_byok: bool,
    ) -> Result<(Reservation, Vec<Standing>), LimitsRefusedError> {
        let shared = &self.0;
        let here = |held: Arc<Held>, counted| {
            let standings = shared.memory.reserve(&held.asks, now_ms());
            held.state.lock().counted = counted;
            (Reservation::new(held, count_byok), standings)
        };
        let Some(link) = &shared.link else { return Ok(here(held, Counted::Here)) };
        if link.is_up() {
            // Created before the store answers, so that dropping it (the client left, or no answer) takes the count
            // back.
            held.state.lock().counted = Counted::InStore;
            let reservation = Reservation::new(Arc::clone(&held), count_byok);
            let around = shared.memory.calendar().around(link.now_ms());
            if let Ok(standings) = link.reserve(&held.asks, &around, None).await {
                let concurrent = held.asks.iter().filter(|(_, ask)| ask.ceilings.of(Limit::Concurrent).is_some());
                let leased: Vec<_> = concurrent.map(|(subject, _)| *subject).collect();
                if standings.iter().all(|standing| standing.counted) && !leased.is_empty() {
                    shared.leases().insert(held.id(), leased);
                }
                return Ok((reservation, standings));
            }
            drop(reservation);
            // Another id, because the first one may still be taken back in the store.
            held = Arc::new(held.renamed());
        }
        match shared.down {
            OnStoreFailure::Deny => Err(LimitsRefusedError::Unavailable),
            OnStoreFailure::Allow => Ok(here(held, Counted::Meanwhile)),
        }
    }

    /// Replaces the estimates of an ended request by its use, which was found later. `None` if the use can never be
    /// found; the estimates then stay charged. A request that is unknown here, or was corrected before, is ignored. A day
    /// or month that is over is not changed. `count_byok` as in [`Rules`].
    pub fn correct(&self, sources: &CallerIdentity<'_>, request: RequestId, usage: Option<&Usage>, count_byok: bool) {
        let used = usage.map(|usage| used(usage, count_byok)).unwrap_or_default();
        let tenant = sources.tenant.map(Subject::whole_tenant);
        let totals = [Subject::whole_key(sources.key), Subject::account()].into_iter().chain(tenant);
        for subject in [Subject::of(sources)].into_iter().chain(totals) {
            self.0.correct(subject, reservation_id(request), used);
        }
    }

    /// Puts the settings of a reload into force: the time zone of days and months, and the secret and the age of keys.
    pub fn configure(&self, settings: &Settings) {
        self.set_zone(&settings.zone);
        self.0.operator_state.configure_keys(settings.key_seal.clone(), settings.keys_max_stale);
    }

    fn set_zone(&self, zone: &TimeZone) {
        if !self.0.memory.calendar().is_of(zone) {
            self.0.memory.set_calendar(Calendar::new(zone.clone()));
        }
    }

    /// Returns the starts of the running day and month.
    pub fn periods(&self) -> (Timestamp, Timestamp) {
        let now = self.0.link.as_ref().map_or_else(now_ms, |link| link.now_ms());
        let around = self.0.memory.calendar().around(now);
        let start = |starts: [i64; 4]| starts.into_iter().rfind(|start| *start <= now).unwrap_or(now);
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        (time(start(around.days)), time(start(around.months)))
    }

    /// Waits until budgets must be rebuilt from the ledger: at the start, and after the store has restarted. From the
    /// first call on, with `deny`, requests with budgets are refused until the budgets of the store's run are rebuilt.
    pub async fn must_rebuild(&self) {
        self.0.rebuilds.store(true, Ordering::Relaxed);
        if let Some(link) = self.0.link.as_ref().filter(|_| self.0.down == OnStoreFailure::Deny) {
            link.guard_budgets();
        }
        self.0.rebuild.notified().await;
    }

    /// Returns the store's run. Take it before the ledger is read, for [`Limiter::restore`]: what ends later than a loss
    /// is counted by the store.
    pub fn store_run(&self) -> String {
        self.0.link.as_ref().map(|link| link.run()).unwrap_or_default()
    }

    /// Raises the sums of budgets to what the ledger knows. `run` is the store's run from before the ledger was read.
    ///
    /// # Errors
    /// [`StoreUnavailableError`](super::StoreUnavailableError). The call can be retried.
    pub async fn restore(&self, all: &[(Subject, Spent)], run: &str) -> Result<(), super::StoreUnavailableError> {
        let shared = &self.0;
        let Some(link) = &shared.link else {
            for (subject, spent) in all {
                shared.memory.restore(*subject, spent, now_ms());
            }
            return Ok(());
        };
        let now = link.now_ms();
        let around = shared.memory.calendar().around(now);
        link.restore(all, &around, now).await?;
        link.rebuilt(run).await
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
            Some(link) => super::look::in_store(link, &self.0.memory.calendar(), subject, ceilings).await,
        }
    }

    /// Finishes queued tasks and stops the worker, for the end of a drain. Gives up after five seconds.
    pub async fn close(&self) {
        let mut closed = self.0.closed.subscribe();
        self.0.closing.send_replace(true);
        let keeper = async {
            // Cannot fail: the sender is in `self`.
            let _ = closed.wait_for(|closed| *closed).await;
        };
        let both = async { tokio::join!(keeper, self.0.operator_state.ended()) };
        if tokio::time::timeout(CLOSING, both).await.is_err() {
            tracing::error!("limits: shutdown timed out; the latest counts may be lost");
        }
    }
}

/// Starts the exchange of the state. Without a shared place it must be readable, because an unread list lets blocked users
/// in.
fn start_state(worker: Worker, data: &mut ledger::settings::Settings) -> Result<(), LimitsError> {
    let synced = worker::start(worker).map_err(LimitsError::Thread)?;
    let is_final = |error: &&StateError| {
        matches!(error, StateError::Damaged(_) | StateError::Outdated { .. } | StateError::Newer(_))
    };
    if let Some(error) = synced.failed.iter().find(is_final) {
        return Err(error.clone().into());
    }
    let is_local = data.data_dir.is_some() && synced.failed.iter().any(StateError::is_of_file);
    if is_local && data.data_dir_set {
        return Err(synced
            .failed
            .into_iter()
            .find(StateError::is_of_file)
            .map_or(LimitsError::Store, LimitsError::State));
    }
    if is_local {
        data.data_dir = None;
    }
    Ok(())
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
        let reason = format!("{} refusals by providers", auto_block.refusals);
        self.shared
            .metrics
            .alerts
            .raise(|| Alert::new(AlertKind::AutoBlock, &reason).about(self.tenant.as_deref(), &self.user));
        let since = Timestamp::now();
        let block = Block {
            id: self.user,
            tenant: Some(self.tenant.unwrap_or_default()),
            since,
            until: Some(since.saturating_add(auto_block.suspend).unwrap_or(Timestamp::MAX)),
            reason: Some(format!("suspended: {reason}")),
            cut: false,
            user_id: true,
            forgotten: false,
        };
        // In force here at once. The worker passes it on, also later.
        if let Err(error) = self.shared.operator_state.put(&block, "callsign") {
            tracing::error!(%error, "limits: cannot suspend a user");
        }
    }
}

/// Returns the id of a request's reservation: 63 of the random bits of its own id. The last bit tells a reservation that
/// was counted while the store was unavailable.
pub(super) fn reservation_id(request: RequestId) -> u64 {
    let low = request.as_bytes().last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    low & !1
}
