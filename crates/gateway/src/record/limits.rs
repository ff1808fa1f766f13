//! A request's use of its caller's limits, from the check of the limits to the request's end.

use callsign_store::limits::{Reservation, Suspect, Watcher};

use super::end::RequestEnd;

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
        // OpenRouter charges nothing for an error.
        let free = status.is_some_and(|status| status >= 400);
        let usage = &end.usage.usage;
        let tokens = match (usage.prompt_tokens, usage.completion_tokens) {
            (None, None) => free.then_some(0),
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        };
        reservation.settle(tokens, usage.cost.map(|cost| cost.0).or(free.then_some(0)));
    }
}
