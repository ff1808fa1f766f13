//! One request's row in the ledger. Handing it over does not wait for the database; without a ledger nothing is
//! gathered.

use std::sync::Arc;

use callsign_core::endpoint::video;
use callsign_core::usage::Usage;
use callsign_store::ledger::query::Pending;
use callsign_store::ledger::{Begun, Committed, Entry, Finished, Ledger, Name};

use jiff::Timestamp;

use crate::pending::{JobCost, PendingCost, PendingCosts};

/// The row of a request.
#[derive(Debug)]
pub(super) struct LedgerRow {
    ledger: Ledger,
    /// The first part of the row, until it is handed over.
    begun: Option<Begun>,
    /// True once OpenRouter has accepted the caller's own key.
    is_accepted: bool,
    entry: Option<Entry>,
    /// The queue of pending costs; `None` if they are not looked up.
    pending: Option<Arc<PendingCosts>>,
    /// A copy of what was handed over, for that queue.
    sent: Option<Begun>,
    /// True if the row is written at once in every mode.
    at_once: bool,
}

impl LedgerRow {
    pub(super) fn new(ledger: Ledger, pending: Option<Arc<PendingCosts>>) -> Self {
        Self { ledger, begun: None, is_accepted: false, entry: None, pending, sent: None, at_once: false }
    }

    /// Returns true if a pending cost is looked up later.
    pub(super) fn is_reconciled(&self) -> bool {
        self.pending.is_some() && self.sent.is_some()
    }

    /// Returns true if there is a ledger.
    pub(super) fn is_on(&self) -> bool {
        self.ledger.is_on()
    }

    /// Stores the first part of the row.
    pub(super) fn know(&mut self, begun: Begun) {
        self.begun = Some(begun);
    }

    /// Returns true if the end of a response waits for its row.
    pub(super) fn is_strict(&self) -> bool {
        self.ledger.is_strict() && (self.begun.is_some() || self.entry.is_some())
    }

    /// Hands the first part of the row to the ledger. Called when the request goes upstream. The row of a caller with
    /// their own key is kept back until OpenRouter has accepted the key (`docs/SPEC.md#refusal-rows`).
    pub(super) fn begin(&mut self) {
        if let Some(begun) = self.begun.take_if(|begun| begun.account.is_some()) {
            self.sent = self.pending.is_some().then(|| begun.clone());
            self.entry = Some(self.ledger.begin(begun));
        }
    }

    /// Records that OpenRouter has accepted the caller's own key.
    pub(super) fn accept(&mut self) {
        self.is_accepted = true;
    }

    /// Queues the look-up of a pending cost.
    pub(super) fn look_up(&mut self, generation: Option<&str>, has_budget: bool) {
        let (Some(queue), Some(sent), Some(generation)) = (&self.pending, self.sent.take(), generation) else { return };
        let text = |name: &Option<Name>| name.as_deref().map(str::to_owned);
        let request = Pending {
            id: sent.id,
            generation: generation.to_owned(),
            is_job: sent.endpoint.as_ref() == video::CREATE,
            account: text(&sent.account),
            tenant: text(&sent.labels.tenant),
            key: sent.labels.key.as_ref().to_owned(),
            user: text(&sent.labels.user),
            sent_user: text(&sent.sent.user),
            began: Timestamp::from_microsecond(sent.began_us).unwrap_or_default(),
        };
        queue.add(PendingCost { request, has_budget });
    }

    /// Makes the end of the row be written at once in every mode.
    pub(super) fn write_at_once(&mut self) {
        self.at_once = true;
    }

    /// Passes on the cost of a finished job.
    pub(super) fn job_cost(&self, id: String, usage: Usage) {
        if let Some(queue) = &self.pending {
            queue.add_job(JobCost { id, usage });
        }
    }

    /// Adds OpenRouter's id of the answer.
    pub(super) fn answered(&self, generation: &str) {
        if let Some(entry) = &self.entry {
            entry.answered(Some(generation));
        }
    }

    /// Completes the row, once. A request that was refused before it went upstream gets a row too, because its caller
    /// is known.
    pub(super) fn finish(&mut self, finished: Finished) -> Option<Committed> {
        let entry = match (self.entry.take(), self.begun.take()) {
            (Some(entry), _) => entry,
            // Anybody can invent keys.
            (None, Some(begun)) if begun.account.is_none() && !self.is_accepted => return None,
            (None, Some(begun)) => self.ledger.begin(begun),
            (None, None) => return None,
        };
        if self.at_once { entry.finish_at_once(finished) } else { entry.finish(finished) }
    }
}
