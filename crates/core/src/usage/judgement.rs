//! The one judgement of a request's end. Ledger, limits, metrics and log use it, so that they cannot disagree
//! (docs/SPEC.md#answer-outcome).

use super::money::NanoUsd;
use super::outcome::Outcome;
use super::reader::ResponseUsage;

/// The knowledge of a request's cost (docs/SPEC.md#cost).
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

/// The account that OpenRouter charges for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// None: OpenRouter never charges for this endpoint.
    Nobody,
    /// One of the operator's accounts. callsign can read its generation records.
    Operator,
    /// The caller's own account (pass-through). callsign does not keep its key, so it cannot read the records later.
    Caller,
}

/// The facts of an ended request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The response's end on the wire.
    pub outcome: Outcome,
    /// The status of OpenRouter's answer; `None` if OpenRouter did not answer.
    pub upstream_status: Option<u16>,
    /// True if OpenRouter may have run the request. False if the request did not leave, or left incomplete.
    pub was_sent: bool,
    /// True if the client got all bytes that the head of the answer announced. An answer without a body (HEAD, 204,
    /// `content-length: 0`) has them from its beginning.
    pub is_delivered: bool,
    /// The account that OpenRouter charges.
    pub payer: Payer,
    /// callsign's own error code, if callsign answered.
    pub code: Option<&'static str>,
    /// The usage and errors that the answer reports.
    pub answer: &'f ResponseUsage,
}

/// The judgement of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The request's end as the client saw it.
    pub outcome: Outcome,
    /// The kind of the error: callsign's code, OpenRouter's error type, `status_NNN` or `upstream_cut`.
    pub error: Option<String>,
    /// The knowledge of the cost.
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
    /// A client that has the last event or all bytes has the whole answer. Nothing that happens after that changes it,
    /// except a block.
    fn outcome(&self) -> Outcome {
        match self.outcome {
            Outcome::ClientGone | Outcome::UpstreamCut | Outcome::UpstreamSilent
                if self.answer.is_whole || self.is_delivered =>
            {
                Outcome::Complete
            }
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

    /// A charge in the answer decides. Without one, a status other than 2xx means that OpenRouter ran nothing, whatever
    /// the body contains, and an error in a 2xx is free only before any output.
    fn bill(&self) -> Bill {
        let is_refused = self.upstream_status.is_some_and(|status| !(200..300).contains(&status));
        let is_error = self.answer.error.is_some();
        let usage = &self.answer.usage;
        let is_charged = usage.total_cost().is_some_and(|cost| cost > NanoUsd::ZERO);
        if !self.was_sent || self.payer == Payer::Nobody {
            Bill::Free
        } else if is_charged {
            Bill::Known
        } else if is_refused || (is_error && !self.answer.has_output) {
            Bill::Free
        } else if usage.cost.is_some() && !is_error {
            Bill::Known
        } else if self.answer.generation.is_some() && self.payer == Payer::Operator {
            Bill::Pending
        } else {
            Bill::Never
        }
    }
}

#[cfg(test)]
mod tests;
