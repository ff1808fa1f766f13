//! Rolls refusals up (docs/SPEC.md#refusal-rows): the first refusal of a caller, code and minute is a full row, later
//! ones raise its count. So refused work costs little disk, whoever is refused.

use std::collections::HashMap;

use callsign_core::request_id::RequestId;
use foldhash::fast::RandomState;

use crate::ledger::digest;
use crate::ledger::record::Name;
use crate::ledger::row::Row;

/// Maximum number of remembered refusals, of about 1 KB each. Then the memory begins anew.
const REMEMBERED: usize = 10_000;
/// A minute in microseconds.
const MINUTE_US: i64 = 60_000_000;

/// The refusals of the current minute.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    minute: i64,
    /// The first row of a person and a code.
    first: HashMap<(i64, Name), RequestId, RandomState>,
    /// Later refusals, by the id of their first row.
    later: HashMap<RequestId, Row, RandomState>,
}

impl Refusals {
    /// Returns true if the row is a refusal like an earlier one of the same minute. It is counted and must not be
    /// written.
    pub(super) fn absorb(&mut self, row: &Row) -> bool {
        let Some(error) = row.ended.as_ref().and_then(|ended| ended.error.clone()).filter(|_| row.is_refusal()) else {
            return false;
        };
        let minute = row.begun.began_us.div_euclid(MINUTE_US);
        if minute != self.minute || self.first.len() >= REMEMBERED {
            self.first.clear();
            self.minute = minute;
        }
        let [tenant, key, user] = row.begun.labels.person();
        let key = (digest::person(tenant, key, user), error);
        let Some(first) = self.first.get(&key) else {
            self.first.insert(key, row.begun.id);
            return false;
        };
        if self.later.len() >= REMEMBERED && !self.later.contains_key(first) {
            return false;
        }
        let sum = self.later.entry(*first).or_insert_with(|| {
            let mut sum = row.clone();
            sum.count = 0;
            if let Some(ended) = &mut sum.ended {
                (ended.request_bytes, ended.response_bytes) = (0, 0);
            }
            sum
        });
        sum.count += row.count;
        sum.begun.began_us = sum.begun.began_us.max(row.begun.began_us);
        if let Some((sum, ended)) = sum.ended.as_mut().zip(row.ended.as_ref()) {
            sum.request_bytes = sum.request_bytes.saturating_add(ended.request_bytes);
            sum.response_bytes = sum.response_bytes.saturating_add(ended.response_bytes);
        }
        true
    }

    /// Takes the counts that must be added to written rows.
    pub(super) fn take(&mut self) -> Vec<(RequestId, Row)> {
        let mut later: Vec<_> = self.later.drain().collect();
        later.sort_by_key(|(id, _)| *id);
        later
    }

    /// Puts counts back that could not be added.
    pub(super) fn put_back(&mut self, later: Vec<(RequestId, Row)>) {
        self.later.extend(later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::refused_row;

    #[test]
    fn equal_refusals_of_a_minute_are_one_row() {
        let mut refusals = Refusals::default();
        let first = refused_row(1, "rate_limited", 0);
        assert!(!refusals.absorb(&first));
        assert!(refusals.absorb(&refused_row(2, "rate_limited", 1)));
        assert!(refusals.absorb(&refused_row(3, "rate_limited", 2)));
        assert!(!refusals.absorb(&refused_row(4, "user_blocked", 3)), "another code");
        assert!(!refusals.absorb(&refused_row(5, "rate_limited", 61)), "another minute");
        assert!(refusals.absorb(&refused_row(6, "rate_limited", 62)));
        let counts: Vec<_> = refusals.take().into_iter().map(|(id, row)| (id, row.count)).collect();
        let id = |number| refused_row(number, "", 0).begun.id;
        assert_eq!(counts, [(id(1), 2), (id(5), 1)]);
        assert!(refusals.take().is_empty());
    }
}
