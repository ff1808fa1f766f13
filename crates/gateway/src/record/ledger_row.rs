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
    pub(super) fn know(&mut self, begun: impl FnOnce(&Ledger) -> Begun) {
        self.begun = Some(begun(&self.ledger));
    }

    /// Returns the first part of the row; `None` once it is handed over.
    pub(super) fn known(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    /// Hands the first part of the row to the ledger. Called when the request goes upstream.
    pub(super) fn begin(&mut self) {
        if let Some(begun) = self.begun.take() {
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
        self.begin();
        self.entry.take()?.finish(finished)
    }
}
