//! What one request holds of its caller's limits, from the moment that it may pass to its end.

use callsign_core::usage::reader::ResponseUsage;
use callsign_store::limits::{Reservation, Suspect, Watcher};

/// Names of errors by which providers, or OpenRouter for them, refuse what a user asks for (`shape.rs` makes the first out of
/// what moderation tells).
const REFUSALS: [&str; 5] =
    ["moderation", "user_blocked", "content_policy", "content_policy_violation", "content_filter"];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct UseOfLimits {
    /// What it has reserved.
    pub(super) reservation: Option<Reservation>,
    /// Whether anything of it has left; otherwise it has never been.
    pub(super) left: bool,
    /// Tells when its caller is stopped.
    pub(super) watcher: Option<Watcher>,
    /// Whom to suspend if providers refuse too often.
    pub(super) suspect: Option<Suspect>,
}

impl UseOfLimits {
    /// The end; `status` is the upstream's own.
    pub(super) fn settle(&mut self, status: Option<u16>, seen: &ResponseUsage) {
        self.watcher = None;
        if let (Some(suspect), Some(error), Some(_)) = (self.suspect.take(), &seen.error, status)
            && REFUSALS.contains(&error.as_str())
        {
            suspect.was_refused();
        }
        let Some(reservation) = self.reservation.take() else { return };
        if !self.left {
            // Dropped, it is given back.
            return;
        }
        // OpenRouter charges nothing for an error.
        let free = status.is_some_and(|status| status >= 400);
        let usage = &seen.usage;
        let tokens = match (usage.prompt_tokens, usage.completion_tokens) {
            (None, None) => free.then_some(0),
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        };
        reservation.settle(tokens, usage.cost.map(|cost| cost.0).or(free.then_some(0)));
    }
}
