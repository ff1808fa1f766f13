//! One request's row in the ledger. Handing it over does not wait for the database; without a ledger nothing is
//! gathered.

use callsign_store::ledger::{Begun, Committed, Entry, Finished, Ledger};

/// The row of a request.
#[derive(Debug)]
pub(super) struct LedgerRow {
    ledger: Ledger,
    /// The first part of the row, until it is handed over.
    begun: Option<Begun>,
    entry: Option<Entry>,
}

impl LedgerRow {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, begun: None, entry: None }
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
            self.entry = Some(self.ledger.begin(begun));
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
            // Anybody can invent keys. A key that OpenRouter refuses leaves no row.
            (None, Some(begun)) if begun.account.is_none() && finished.status == 401 => return None,
            (None, Some(begun)) => self.ledger.begin(begun),
            (None, None) => return None,
        };
        entry.finish(finished)
    }
}
