//! One row of the ledger, and the numbers that stand for its enumerations in the tables.

use std::sync::Arc;

use callsign_core::usage::judgement::Bill;
use callsign_core::usage::outcome::Outcome;

use super::record::{Begun, Finished, Name, RequestLabels, SentIds};

/// A request with the data known so far. Texts are shared, so a row that was passed to the database can still be
/// spilled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) begun: Begun,
    /// The process that runs the request. Not written for finished requests.
    pub(super) node: Name,
    pub(super) generation: Option<Name>,
    /// The number of equal refusals that the row stands for, else 1.
    pub(super) count: i64,
    /// `None` while the request runs.
    pub(super) ended: Option<Finished>,
}

/// Endings, by their numbers in the table. 4 is a request whose process died.
const ENDINGS: [(Outcome, i64); 6] = [
    (Outcome::Complete, 0),
    (Outcome::ClientGone, 1),
    (Outcome::UpstreamCut, 2),
    (Outcome::Refused, 3),
    (Outcome::UpstreamSilent, 5),
    (Outcome::Blocked, 6),
];
/// The number of a request whose process died.
const UNKNOWN: i64 = 4;

/// Bills, by their numbers in the table.
const BILLS: [(Bill, i64); 4] = [(Bill::Free, 0), (Bill::Known, 1), (Bill::Pending, 2), (Bill::Never, 3)];

/// Returns the number of an ending.
pub(super) fn ending_code(outcome: Option<Outcome>) -> i64 {
    ENDINGS.iter().find(|(of, _)| Some(*of) == outcome).map_or(UNKNOWN, |(_, code)| *code)
}

/// Returns the ending with this number; `None` if the process died.
pub(super) fn outcome(code: i64) -> Option<Outcome> {
    ENDINGS.iter().find(|(_, of)| *of == code).map(|(outcome, _)| *outcome)
}

/// Returns the name of the ending with this number.
pub(super) fn ending_name(code: i64) -> &'static str {
    outcome(code).map_or("unknown", Outcome::name)
}

/// Returns the names of all endings.
pub(super) fn ending_names() -> impl Iterator<Item = &'static str> {
    ENDINGS.iter().map(|(outcome, _)| outcome.name()).chain([ending_name(UNKNOWN)])
}

/// Returns the number of the ending with this name.
pub(super) fn ending_named(name: &str) -> Option<i64> {
    if name == ending_name(UNKNOWN) {
        return Some(UNKNOWN);
    }
    ENDINGS.iter().find(|(outcome, _)| outcome.name() == name).map(|(_, code)| *code)
}

/// Returns the number of a bill.
pub(super) fn bill_code(bill: Bill) -> i64 {
    BILLS.iter().find(|(of, _)| *of == bill).map_or(0, |(_, code)| *code)
}

/// Returns the bill with this number.
pub(super) fn bill(code: i64) -> Bill {
    BILLS.iter().find(|(_, of)| *of == code).map_or(Bill::Never, |(bill, _)| *bill)
}

impl Row {
    /// Builds a row. The generation in `finished` replaces an earlier one.
    pub(super) fn new(mut begun: Begun, generation: Option<Name>, finished: Option<Finished>, node: &Name) -> Self {
        begun.sanitize();
        let mut ended = finished;
        if let Some(ended) = &mut ended {
            ended.generation = ended.generation.take().or_else(|| generation.clone());
            ended.sanitize();
        }
        let generation = ended.as_ref().map_or(generation, |ended| ended.generation.clone());
        Self { begun, node: Arc::clone(node), generation, count: 1, ended }
    }

    /// Removes every name and text of a caller, and keeps tenant, numbers, models and times. `key` is true if the
    /// key's name identifies the user as well.
    pub(super) fn strip(&mut self, key: bool) {
        let labels = &mut self.begun.labels;
        let key = if key { "".into() } else { Arc::clone(&labels.key) };
        *labels = RequestLabels { tenant: labels.tenant.take(), key, ..RequestLabels::default() };
        self.begun.sent = SentIds::default();
        self.generation = None;
        if let Some(ended) = &mut self.ended {
            ended.generation = None;
        }
    }

    /// Returns true if this is a refusal that may share its row with equal ones of the same minute
    /// (docs/SPEC.md#refusal-rows).
    pub(super) fn is_refusal(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| !ended.went_upstream() && ended.error.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_tables_are_read_back() {
        for (ending, code) in ENDINGS {
            assert_eq!((ending_code(Some(ending)), outcome(code)), (code, Some(ending)));
            assert_eq!(ending_named(ending.name()), Some(code));
        }
        assert_eq!((ending_code(None), outcome(UNKNOWN), ending_named("unknown")), (UNKNOWN, None, Some(UNKNOWN)));
        for (of, code) in BILLS {
            assert_eq!((bill_code(of), bill(code)), (code, of));
        }
    }
}
