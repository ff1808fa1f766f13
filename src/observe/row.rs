//! One request's row in the ledger, as it comes about: begun when it goes upstream, ended with its account.
//!
//! It hands over and never waits. Without a ledger nothing is gathered and nothing looked at.

use http::HeaderMap;

use super::account::Outcome;
use super::metrics::Metrics;
use crate::endpoint::Inference;
use crate::ledger::{Begun, Committed, End, Entry, Finished, Ledger};
use crate::relay::tap::{Seen, Tap};

/// OpenRouter's id of an answer, which it tells with the head (OpenRouter docs, "Streaming").
const GENERATION: &str = "x-generation-id";
/// The longest that is taken over from outside.
const LONGEST_ID: usize = 256;

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
    known: Option<(Box<Begun>, &'static Inference)>,
    entry: Option<Entry>,
    endpoint: Option<&'static Inference>,
    tap: Option<Tap>,
    generation: Option<String>,
}

impl Row {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, known: None, entry: None, endpoint: None, tap: None, generation: None }
    }

    /// The caller of an inference request is known.
    pub(super) fn know(&mut self, endpoint: &'static Inference, begun: impl FnOnce() -> Begun) {
        if self.ledger.is_on() {
            self.known = Some((Box::new(begun()), endpoint));
        }
    }

    /// The request goes upstream.
    pub(super) fn begin(&mut self) {
        if let Some((begun, endpoint)) = self.known.take() {
            self.entry = Some(self.ledger.begin(*begun));
            self.endpoint = Some(endpoint);
        }
    }

    /// The head of the upstream's answer has come.
    pub(super) fn answered(&mut self, headers: &HeaderMap, metrics: &Metrics) {
        let (Some(entry), Some(endpoint)) = (&self.entry, self.endpoint) else { return };
        self.tap = Some(Tap::new(endpoint, headers));
        let generation = headers.get(GENERATION).and_then(|value| value.to_str().ok());
        if let Some(generation) = generation.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID) {
            entry.answered(Some(generation));
            metrics.generated();
            self.generation = Some(generation.to_owned());
        }
    }

    /// These bytes of the answer pass.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.see(bytes);
        }
    }

    /// Ends the row, once. In `strict` mode the end of the answer waits for what is returned.
    pub(super) fn finish(&mut self, closing: Closing, metrics: &Metrics) -> Option<Committed> {
        // What was refused before it went upstream is written down too: who it was is known.
        self.begin();
        let entry = self.entry.take()?;
        let seen = self.tap.take().map(Tap::finish).unwrap_or_default();
        metrics.used(&seen.usage);
        entry.finish(finished(closing, seen, self.generation.take()))
    }
}

fn finished(closing: Closing, seen: Seen, generation: Option<String>) -> Finished {
    let Closing { outcome, status, code, request_bytes, response_bytes, first_byte_us, duration_us } = closing;
    let end = match outcome {
        Outcome::Complete => End::Complete,
        Outcome::ClientGone => End::ClientGone,
        Outcome::UpstreamCut | Outcome::UpstreamSilent => End::UpstreamCut,
        Outcome::Refused => End::Refused,
    };
    Finished {
        end,
        status,
        error: code.map(str::to_owned).or(seen.error),
        model: seen.model,
        provider: seen.provider,
        generation: generation.or(seen.generation),
        usage: seen.usage,
        request_bytes,
        response_bytes,
        first_byte_us,
        duration_us,
    }
}
