//! A request's use of its caller's limits, from the check of the limits to the request's end.

use callsign_store::limits::{Reservation, Suspect, Watcher};

use super::end::RequestEnd;
use crate::prices::{CallerDigest, Prices};

/// A request's use of limits. Dropping it without [`LimitUse::settle`] refunds the reservation.
#[derive(Debug, Default)]
pub(super) struct LimitUse {
    /// The reserved quota.
    pub(super) reservation: Option<Reservation>,
    /// True once a part of the request may have reached OpenRouter. Until then the reservation is refunded.
    pub(super) left: bool,
    /// Wakes the request when its caller is blocked.
    pub(super) watcher: Option<Watcher>,
    /// Counts refusals by providers, which may block the user automatically.
    pub(super) suspect: Option<Suspect>,
    /// Learns the cost of models without a list price. Set if a budget applies.
    pub(super) prices: Option<(Prices, CallerDigest)>,
}

impl LimitUse {
    /// Replaces the reserved quota by the actual usage, and counts a refusal by a provider. `can_be_found` is true if a
    /// pending cost is looked up later.
    pub(super) fn settle(&mut self, end: &RequestEnd<'_>, can_be_found: bool) {
        self.watcher = None;
        let status = end.upstream_status();
        if let (Some(suspect), Some(_)) = (self.suspect.take(), status)
            && end.refuses_user()
        {
            suspect.was_refused();
        }
        let cost = self.reservation.as_ref().and_then(|reservation| reservation.counted_cost(&end.answer.usage));
        if let (Some((prices, caller)), Some(cost)) = (self.prices.take(), cost) {
            prices.learn(caller, end.requested_model.as_deref().unwrap_or_default(), cost);
        }
        // A request that did not leave is refunded.
        if let Some(reservation) = self.reservation.take().filter(|_| self.left) {
            // callsign answers in OpenRouter's place if that could not be reached or did not answer in time.
            let answered = status.is_some() || end.code.is_none();
            reservation.settle(end.judgement.bill, &end.answer.usage, can_be_found, answered);
        }
    }

    /// Gives back what only a client that waits needs. Budgets keep their estimates.
    pub(super) fn client_left(&mut self) {
        if let Some(reservation) = &mut self.reservation {
            reservation.client_left();
        }
    }

    /// Records that OpenRouter has accepted the key of the request.
    pub(super) fn accepted(&self) {
        if let Some(reservation) = &self.reservation {
            reservation.accepted();
        }
    }

    /// Returns true if a budget has an estimate of the request.
    pub(super) fn has_budget(&self) -> bool {
        self.reservation.as_ref().is_some_and(Reservation::has_budget)
    }
}
