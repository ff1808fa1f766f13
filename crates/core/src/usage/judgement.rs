//! The one judgement of a request's end. Ledger, limits, metrics and log use it, so that they cannot disagree
//! (docs/SPEC.md#answer-outcome).

use super::money::NanoUsd;
use super::outcome::Outcome;
use super::reader::ResponseUsage;

/// What is known of the cost of a request (docs/SPEC.md#cost).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bill {
    /// It costs nothing: it did not reach OpenRouter, or ended in an error before any output.
    Free,
    /// The cost is in the answer.
    Known,
    /// The cost is not known yet. OpenRouter's generation record has it.
    Pending,
    /// The request may have cost something, but no record of it can be found.
    Never,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// How the response ended on the wire.
    pub outcome: Outcome,
    /// The status of OpenRouter's answer; `None` if OpenRouter did not answer.
    pub upstream_status: Option<u16>,
    /// True if a part of the request may have reached OpenRouter.
    pub was_sent: bool,
    /// True for an endpoint that OpenRouter never charges.
    pub is_free: bool,
    /// True if the caller paid with a key of their own, whose records callsign cannot read.
    pub is_pass_through: bool,
    /// callsign's own error code, if callsign answered.
    pub code: Option<&'static str>,
    /// What the answer says.
    pub answer: &'f ResponseUsage,
}

/// The judgement of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How the request ended, as the client saw it.
    pub outcome: Outcome,
    /// The kind of the error: callsign's code, OpenRouter's error type, `upstream_cut` or `status_NNN`.
    pub error: Option<String>,
    /// What is known of the cost.
    pub bill: Bill,
}

impl Judgement {
    /// Judges a request that has ended.
    pub fn of(facts: &Facts<'_>) -> Self {
        let outcome = facts.outcome();
        Self { outcome, error: facts.error(outcome), bill: facts.bill() }
    }
}

impl Facts<'_> {
    /// A client that hangs up after the last event has the whole answer.
    fn outcome(&self) -> Outcome {
        match self.outcome {
            Outcome::ClientGone if self.answer.is_whole => Outcome::Complete,
            outcome => outcome,
        }
    }

    fn error(&self, outcome: Outcome) -> Option<String> {
        let status = self.upstream_status.filter(|status| *status >= 400);
        let named = self.code.map(str::to_owned).or_else(|| self.answer.error.clone());
        named.or_else(|| status.map(|status| format!("status_{status}"))).or_else(|| match outcome {
            Outcome::UpstreamCut | Outcome::UpstreamSilent => Some("upstream_cut".to_owned()),
            _ => None,
        })
    }

    fn bill(&self) -> Bill {
        let failed = self.answer.error.is_some() || self.upstream_status.is_some_and(|status| status >= 400);
        let is_charged = self.answer.usage.total_cost().is_some_and(|cost| cost > NanoUsd::ZERO);
        if !self.was_sent || self.is_free {
            Bill::Free
        } else if is_charged || (self.answer.usage.cost.is_some() && !failed) {
            Bill::Known
        } else if failed && !self.answer.has_output {
            Bill::Free
        } else if self.answer.generation.is_some() && !self.is_pass_through {
            Bill::Pending
        } else {
            Bill::Never
        }
    }
}
