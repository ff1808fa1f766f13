//! A request's use of its caller's limits, from the check of the limits to the request's end.

use callsign_store::limits::{Reservation, Suspect, Watcher};

use super::end::RequestEnd;
use callsign_core::usage::judgement::Bill;

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
}

impl LimitUse {
    /// Replaces the reserved quota by the actual usage, and counts a refusal by a provider.
    pub(super) fn settle(&mut self, end: &RequestEnd<'_>) {
        self.watcher = None;
        let status = end.upstream_status();
        if let (Some(suspect), Some(_)) = (self.suspect.take(), status)
            && end.refuses_user()
        {
            suspect.was_refused();
        }
        let Some(reservation) = self.reservation.take().filter(|_| self.left) else { return };
        let usage = &end.answer.usage;
        let tokens = match (usage.prompt_tokens, usage.completion_tokens) {
            (None, None) => None,
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        };
        match end.judgement.bill {
            Bill::Free => reservation.settle(Some(0), Some(0)),
            Bill::Known => reservation.settle(tokens, usage.total_cost().map(|cost| cost.0)),
            // The estimate stands until the cost arrives, and is charged if it never can.
            Bill::Pending | Bill::Never => reservation.settle(tokens, None),
        }
    }
}
