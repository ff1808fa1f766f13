//! One request's row in the ledger, as it comes about: begun when it goes upstream, ended with its account.
//!
//! It hands over and never waits. Without a ledger nothing is gathered and nothing looked at.

use callsign_core::usage::outcome::Outcome;
use callsign_core::usage::reader::ResponseUsage;
use callsign_store::ledger::{Begun, Committed, End, Entry, Finished, Ledger, Name};

/// What the account knows at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) code: Option<&'static str>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) first_byte_us: Option<u64>,
    pub(super) duration_us: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Row {
    ledger: Ledger,
    /// Who asks for what, until the row has begun.
    known: Option<Begun>,
    entry: Option<Entry>,
}

impl Row {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, known: None, entry: None }
    }

    /// Whether anything is written down.
    pub(super) fn is_on(&self) -> bool {
        self.ledger.is_on()
    }

    /// The caller of an inference request is known.
    pub(super) fn know(&mut self, begun: impl FnOnce(&Ledger) -> Begun) {
        self.known = Some(begun(&self.ledger));
    }

    /// What is known of it before it goes upstream.
    pub(super) fn known(&self) -> Option<&Begun> {
        self.known.as_ref()
    }

    /// The request goes upstream.
    pub(super) fn begin(&mut self) {
        if let Some(begun) = self.known.take() {
            self.entry = Some(self.ledger.begin(begun));
        }
    }

    /// OpenRouter has told its id of the answer.
    pub(super) fn answered(&self, generation: &str) {
        if let Some(entry) = &self.entry {
            entry.answered(Some(generation));
        }
    }

    /// Ends the row, once. In `strict` mode the end of the answer waits for what is returned.
    pub(super) fn finish(&mut self, closing: Closing, seen: ResponseUsage) -> Option<Committed> {
        // What was refused before it went upstream is written down too: who it was is known.
        self.begin();
        self.entry.take()?.finish(finished(closing, seen))
    }
}

fn finished(closing: Closing, seen: ResponseUsage) -> Finished {
    let Closing { outcome, status, code, request_bytes, response_bytes, first_byte_us, duration_us } = closing;
    let end = match outcome {
        Outcome::Complete => End::Complete,
        // Whoever is cut has been made to leave.
        Outcome::ClientGone | Outcome::Blocked => End::ClientGone,
        Outcome::UpstreamCut | Outcome::UpstreamSilent => End::UpstreamCut,
        Outcome::Refused => End::Refused,
    };
    Finished {
        end,
        status,
        error: code.or(seen.error.as_deref()).map(Name::from),
        model: seen.model.map(Name::from),
        provider: seen.provider.map(Name::from),
        generation: seen.generation.map(Name::from),
        usage: seen.usage,
        request_bytes,
        response_bytes,
        first_byte_us,
        duration_us,
    }
}
