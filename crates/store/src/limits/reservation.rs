//! A request's reserved quota, from its admission to its end.

use std::sync::Arc;

use parking_lot::Mutex;

use super::ask::{Ask, Settlement, Standing, Used};
use super::calendar::now_ms;
use super::rates::Rates;
use super::refused::{LimitsRefusedError, Over, name};
use super::rules::Scope;
use super::settings::OnStoreFailure;
use super::shared::{Job, Shared};
use super::subject::Subject;
use callsign_core::allowance::{Estimate, Limit};
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::money::NanoUsd;
use callsign_telemetry::alerts::{Alert, AlertKind};

/// The place where a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// In memory; no store is configured.
    Here,
    /// In the store.
    InStore,
    /// In memory, while the store is unavailable. The store is told at the end.
    Meanwhile,
    /// Not yet, because OpenRouter has not accepted the caller's own key.
    Unproven,
    /// Not counted, because it was refused.
    Nowhere,
}

/// A reservation that a [`Reservation`] and a [`Raiser`] share.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    /// The request for each of its subjects. The first one is the caller, if it has limits.
    pub(super) asks: Vec<(Subject, Ask)>,
    pub(super) scopes: Vec<Scope>,
    /// The name of the caller's key.
    pub(super) key: String,
    /// Tenant and user id, for alerts. Only set while alerts are on.
    pub(super) person: Option<(Option<String>, String)>,
    pub(super) at_ms: i64,
    pub(super) state: Mutex<State>,
}

/// The changing part of a reservation.
#[derive(Debug)]
pub(super) struct State {
    pub(super) counted: Counted,
    /// The reserved use.
    pub(super) estimate: Estimate,
    pub(super) standings: Vec<Standing>,
}

impl Held {
    /// Returns the reservation under another id.
    pub(super) fn renamed(&self) -> Self {
        let asks = self.asks.iter().map(|(subject, ask)| (*subject, Ask { id: ask.id ^ 1, ..*ask })).collect();
        let state = self.state.lock();
        let state = State { counted: Counted::Nowhere, estimate: state.estimate, standings: Vec::new() };
        let (shared, scopes, key) = (Arc::clone(&self.shared), self.scopes.clone(), self.key.clone());
        let person = self.person.clone();
        Self { shared, asks, scopes, key, person, at_ms: self.at_ms, state: Mutex::new(state) }
    }

    pub(super) fn id(&self) -> u64 {
        self.asks.first().map_or(0, |(_, ask)| ask.id)
    }

    /// Returns the subjects, with the request as it is reserved.
    fn asks(&self, estimate: Estimate) -> Vec<(Subject, Ask)> {
        self.asks.iter().map(|(subject, ask)| (*subject, Ask { estimate, ..*ask })).collect()
    }

    /// Returns the reached limit of a request that does not fit. In a dry run it is only counted.
    pub(super) fn judge(&self, estimate: Estimate, standings: &[Standing]) -> Result<(), LimitsRefusedError> {
        let asks = self.asks(estimate);
        let scoped = self.scopes.iter().zip(&asks).map(|(scope, (_, ask))| (*scope, *ask));
        let scoped: Vec<_> = scoped.collect();
        self.warn(&asks, standings);
        let Some(mut over) = Over::of(&scoped, standings) else { return Ok(()) };
        let metrics = &self.shared.metrics.limits;
        if asks.iter().any(|(_, ask)| !ask.enforce) {
            metrics.would_refuse(over.name());
            return Ok(());
        }
        metrics.refused(over.name());
        if over.limit.is_budget() {
            self.alert(AlertKind::BudgetExhausted, over.scope, over.name());
        }
        if over.scope == Scope::Caller
            && let Some((_, ask)) = asks.first()
        {
            over.rates = standings.first().map(|standing| Rates::of(ask, standing)).unwrap_or_default();
        }
        Err(LimitsRefusedError::Over(over))
    }

    /// Tells the operator of a budget: the user's own, or that of a key, a tenant or the account.
    fn alert(&self, kind: AlertKind, scope: Scope, limit: &str) {
        self.shared.metrics.alerts.raise(|| match (&self.person, scope) {
            (Some((tenant, user)), Scope::Caller) => Alert::new(kind, limit).about(tenant.as_deref(), user),
            _ => Alert::new(kind, &format!("{limit} (key {})", self.key)),
        });
    }

    /// Reports budgets of which 80 % are used, once for each subject and period.
    fn warn(&self, asks: &[(Subject, Ask)], standings: &[Standing]) {
        for ((scope, (subject, ask)), standing) in self.scopes.iter().zip(asks).zip(standings) {
            for limit in Limit::ALL.into_iter().filter(|limit| limit.is_budget()) {
                let Some(most) = ask.ceilings.of(limit) else { continue };
                let used = standing.gauges[limit as usize].used;
                if used.saturating_mul(10) >= most.saturating_mul(8) && self.shared.is_first_warning(*subject, limit) {
                    let limit = name(*scope, limit);
                    self.shared.metrics.limits.warned(limit);
                    tracing::warn!(limit, key = %self.key, "limits: 80 % of a budget is used");
                    self.alert(AlertKind::BudgetWarning, *scope, limit);
                }
            }
        }
    }
}

/// A request's reserved quota. Dropping it without calling `settle` refunds the reservation.
#[derive(Debug)]
pub struct Reservation {
    held: Arc<Held>,
    /// True if the provider's bill counts.
    count_byok: bool,
}

impl Reservation {
    pub(super) fn new(held: Arc<Held>, count_byok: bool) -> Self {
        Self { held, count_byok }
    }

    /// Returns true if a budget applies, so that the response's usage is needed.
    pub fn has_budget(&self) -> bool {
        self.held.asks.iter().any(|(_, ask)| ask.ceilings.has_budget())
    }

    /// Returns the headers about the caller's limits. Totals are not shown.
    pub fn rates(&self) -> Rates {
        let state = self.held.state.lock();
        let first = self.held.scopes.first().filter(|scope| **scope == Scope::Caller);
        let ask = first.and_then(|_| self.held.asks.first()).map(|(_, ask)| Ask { estimate: state.estimate, ..*ask });
        let standing = state.standings.first();
        ask.zip(standing).map(|(ask, standing)| Rates::of(&ask, standing)).unwrap_or_default()
    }

    /// Returns a handle that raises the estimate while the request is sent; `None` if no budget applies.
    pub fn raiser(&self) -> Option<Raiser> {
        self.has_budget().then(|| Raiser(Arc::clone(&self.held)))
    }

    /// Records that OpenRouter has accepted the caller's own key. Requests of other keys are not counted, because anybody
    /// can invent keys.
    pub fn accepted(&self) {
        let mut state = self.held.state.lock();
        if state.counted != Counted::Unproven {
            return;
        }
        let shared = &self.held.shared;
        if let Some((subject, _)) = self.held.asks.first() {
            shared.prove(*subject);
        }
        state.counted = if shared.link.is_some() { Counted::Meanwhile } else { Counted::Here };
        if shared.link.is_none() {
            let asks = self.held.asks(state.estimate).into_iter();
            let asks: Vec<_> = asks.map(|(subject, ask)| (subject, Ask { enforce: false, ..ask })).collect();
            shared.memory.reserve(&asks, now_ms());
        }
    }

    /// Replaces the estimate by the actual use, as far as it is known. `can_be_found` is true if
    /// [`super::Limiter::correct`] will be called for a pending cost. `answered` is false if OpenRouter did not answer.
    pub fn settle(mut self, bill: Bill, usage: &Usage, can_be_found: bool, answered: bool) {
        let tokens = tokens(usage);
        self.end(match bill {
            Bill::Free => Settlement::Undone,
            _ if !answered => Settlement::Failed,
            Bill::Known => Settlement::Used(used(usage, self.count_byok)),
            Bill::Pending if can_be_found => Settlement::Pending(Used { tokens, usd: None }),
            Bill::Pending | Bill::Never => Settlement::Used(Used { tokens, usd: None }),
        });
    }

    /// Returns the cost that budgets count, if it is known.
    pub fn counted_cost(&self, usage: &Usage) -> Option<NanoUsd> {
        used(usage, self.count_byok).usd.map(NanoUsd)
    }

    /// Gives back the place under the limit `concurrent`, because the client has left. The estimates stay charged until
    /// [`Reservation::settle`].
    pub fn client_left(&mut self) {
        let (held, id) = (&self.held, self.held.id());
        match held.state.lock().counted {
            Counted::Here | Counted::Meanwhile => {
                for (subject, _) in &held.asks {
                    held.shared.memory.leave(*subject, id);
                }
            }
            Counted::InStore => {
                held.shared.leases().remove(&id);
                for (subject, _) in &held.asks {
                    held.shared.hand_over(Job::Leave(*subject, id));
                }
            }
            Counted::Unproven | Counted::Nowhere => {}
        }
    }

    /// Returns the reservation if the request fits. One that does not was not counted.
    pub(super) fn judged(self, estimate: Estimate, standings: Vec<Standing>) -> Result<Self, LimitsRefusedError> {
        let judged = self.held.judge(estimate, &standings);
        let mut state = self.held.state.lock();
        match judged {
            Ok(()) => state.standings = standings,
            Err(_) => state.counted = Counted::Nowhere,
        }
        drop(state);
        judged.map(|()| self)
    }

    fn end(&mut self, settlement: Settlement) {
        let (held, id) = (&self.held, self.held.id());
        let shared = &held.shared;
        let (counted, estimate) = {
            let mut state = held.state.lock();
            (std::mem::replace(&mut state.counted, Counted::Nowhere), state.estimate)
        };
        let settle_here = || {
            for (subject, _) in &held.asks {
                shared.memory.settle(*subject, id, settlement, now_ms());
            }
        };
        match counted {
            Counted::Nowhere | Counted::Unproven => {}
            Counted::Here => settle_here(),
            Counted::InStore => {
                shared.leases().remove(&id);
                for (subject, ask) in &held.asks {
                    let chat = ask.message.and_then(|message| message.chat);
                    shared.hand_over(Job::Settle(*subject, (id, chat), settlement));
                }
            }
            Counted::Meanwhile => {
                settle_here();
                if settlement != Settlement::Undone {
                    shared.hand_over(Job::Tell(held.asks(estimate), held.at_ms, settlement));
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

/// Raises the estimate of a running request once its body is known.
#[derive(Debug)]
pub struct Raiser(Arc<Held>);

impl Raiser {
    /// Replaces the estimate. The request must not be sent if it does not fit.
    ///
    /// # Errors
    /// [`LimitsRefusedError`] if it does not fit, or the store is unavailable and configured to deny.
    pub async fn raise(&self, estimate: Estimate) -> Result<(), LimitsRefusedError> {
        let held = &self.0;
        let asks = held.asks(estimate);
        let counted = held.state.lock().counted;
        let standings = match counted {
            Counted::Here | Counted::Meanwhile => held.shared.memory.raise(&asks, now_ms()),
            Counted::InStore => match held.shared.raise_in_store(&asks).await {
                Ok(standings) => standings,
                Err(_) if held.shared.down == OnStoreFailure::Deny => return Err(LimitsRefusedError::Unavailable),
                // The flat estimate is reserved.
                Err(_) => return Ok(()),
            },
            Counted::Unproven | Counted::Nowhere => Vec::new(),
        };
        held.judge(estimate, &standings)?;
        let mut state = held.state.lock();
        state.estimate = estimate;
        for (known, fresh) in state.standings.iter_mut().zip(&standings) {
            for limit in Limit::ALL.into_iter().filter(|limit| limit.is_budget()) {
                known.gauges[limit as usize] = fresh.gauges[limit as usize];
            }
        }
        Ok(())
    }
}

/// Returns all tokens of a request; `None` if none were reported.
fn tokens(usage: &Usage) -> Option<i64> {
    let counts = [usage.prompt_tokens, usage.completion_tokens];
    let sum = counts.into_iter().flatten().reduce(u64::saturating_add);
    sum.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX))
}

/// Returns what a request with a known cost takes from budgets. OpenRouter reports no tokens where it does not charge by
/// tokens, for example for speech; such a request takes none.
pub(super) fn used(usage: &Usage, count_byok: bool) -> Used {
    let usd = if count_byok { usage.total_cost() } else { usage.charge() };
    Used { tokens: usd.map(|_| tokens(usage).unwrap_or(0)), usd: usd.map(|usd| usd.0) }
}
