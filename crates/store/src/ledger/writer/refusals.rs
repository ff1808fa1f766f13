//! Rolls refusals up (docs/SPEC.md#refusal-rows): the first refusal of a caller, code and minute is a full row, later
//! ones raise its count. So refused work costs little disk, for every kind of caller.

use std::collections::HashMap;

use callsign_core::request_id::RequestId;
use foldhash::fast::RandomState;

use crate::ledger::record::Name;
use crate::ledger::row::Row;
use crate::ledger::store::raise::More;

/// Maximum number of remembered refusals. Then the memory is emptied. A first row takes about 100 bytes and a count
/// about 1 KB.
const REMEMBERED: usize = 10_000;
/// Maximum number of people of a key who get rows of their own for refusals of one minute. An app that forwards invented
/// users would fill the disk.
const PEOPLE_OF_KEY: usize = 1_000;
/// A minute in microseconds.
const MINUTE_US: i64 = 60_000_000;

/// A refusal that has a row.
#[derive(Clone, Copy, Debug)]
struct First {
    id: RequestId,
    /// The row's count, once everything is written.
    count: i64,
}

/// The latest refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// By minute, person and code.
    first: HashMap<(i64, i64, Name), First, RandomState>,
    /// The number of first rows, by minute and the number of the key.
    of_keys: HashMap<(i64, i64), usize, RandomState>,
    /// Later refusals, by the id of their first row.
    later: HashMap<RequestId, More, RandomState>,
}

impl Refusals {
    /// Returns true if the row is a refusal like an earlier one of the same minute. It is counted and must not be
    /// written. If the minute has too many people of the row's key, the row becomes the key's own.
    pub(super) fn absorb(&mut self, row: &mut Row) -> bool {
        let Some(error) = row.ended.as_ref().and_then(|ended| ended.error.clone()).filter(|_| row.is_refusal()) else {
            return false;
        };
        let minute = row.begun.began_us.div_euclid(MINUTE_US);
        let key = (minute, row.begun.labels.person_number(), error);
        let Some(first) = self.first.get_mut(&key) else {
            if self.first.len() >= REMEMBERED {
                self.first.clear();
                self.of_keys.clear();
            }
            let people = self.of_keys.entry((minute, row.begun.labels.key_number())).or_default();
            if *people >= PEOPLE_OF_KEY && row.begun.labels.user.is_some() {
                row.strip(false);
                return self.absorb(row);
            }
            *people += 1;
            self.first.insert(key, First { id: row.begun.id, count: row.count });
            return false;
        };
        if self.later.len() >= REMEMBERED && !self.later.contains_key(&first.id) {
            return false;
        }
        let (before, first_id) = (first.count, first.id);
        first.count += row.count;
        let Some(more) = self.later.get_mut(&first_id) else {
            self.later.insert(first_id, More { first: first_id, before, row: row.clone() });
            return true;
        };
        let sum = &mut more.row;
        sum.count += row.count;
        sum.begun.began_us = sum.begun.began_us.max(row.begun.began_us);
        if let Some((sum, ended)) = sum.ended.as_mut().zip(row.ended.as_ref()) {
            sum.request_bytes = sum.request_bytes.saturating_add(ended.request_bytes);
            sum.response_bytes = sum.response_bytes.saturating_add(ended.response_bytes);
        }
        true
    }

    /// Takes the counts that must be added to written rows.
    pub(super) fn take(&mut self) -> Vec<More> {
        let mut later: Vec<_> = self.later.drain().map(|(_, more)| more).collect();
        later.sort_by_key(|more| more.first);
        later
    }

    /// Returns true if no count waits.
    pub(super) fn is_empty(&self) -> bool {
        self.later.is_empty()
    }

    /// Puts counts back that could not be added.
    pub(super) fn put_back(&mut self, later: Vec<More>) {
        self.later.extend(later.into_iter().map(|more| (more.first, more)));
    }
}

#[cfg(test)]
mod tests {
    use callsign_core::request_id::RANDOM;

    use super::*;
    use crate::ledger::tests::refused_row;

    #[test]
    fn equal_refusals_of_a_minute_are_one_row() {
        let mut refusals = Refusals::default();
        assert!(!refusals.absorb(&mut refused_row(1, "rate_limited", 0)));
        assert!(refusals.absorb(&mut refused_row(2, "rate_limited", 1)));
        assert!(refusals.absorb(&mut refused_row(3, "rate_limited", 2)));
        assert!(!refusals.absorb(&mut refused_row(4, "user_blocked", 3)), "another code");
        assert!(!refusals.absorb(&mut refused_row(5, "rate_limited", 61)), "another minute");
        assert!(refusals.absorb(&mut refused_row(6, "rate_limited", 62)));
        assert!(refusals.absorb(&mut refused_row(7, "rate_limited", 0)), "the earlier minute is remembered");
        let id = |number| refused_row(number, "", 0).begun.id;
        let counts =
            |more: &[More]| more.iter().map(|more| (more.first, more.before, more.row.count)).collect::<Vec<_>>();
        let more = refusals.take();
        assert_eq!(counts(&more), [(id(1), 1, 3), (id(5), 1, 1)]);
        assert!(refusals.is_empty());
        refusals.put_back(more);
        assert!(refusals.absorb(&mut refused_row(8, "rate_limited", 0)));
        assert_eq!(counts(&refusals.take()), [(id(1), 1, 4), (id(5), 1, 1)]);
        assert!(refusals.absorb(&mut refused_row(9, "rate_limited", 0)));
        assert_eq!(counts(&refusals.take()), [(id(1), 5, 1)]);
    }

    #[test]
    fn invented_users_of_a_key_share_a_row_of_the_key_in_the_end() {
        let mut refusals = Refusals::default();
        let mut written = Vec::new();
        for number in 0..3_000 {
            let mut row = refused_row(0, "invalid_json", 0);
            row.begun.id = RequestId::new(row.begun.began_us + 1_000 * number, [0; RANDOM]);
            row.begun.labels.user = Some(format!("user-{number}").into());
            if !refusals.absorb(&mut row) {
                written.push(row);
            }
        }
        assert_eq!(written.len(), 1_001);
        assert!(written[..1_000].iter().all(|row| row.begun.labels.user.is_some()));
        let labels = &written[1_000].begun.labels;
        assert!(labels.user.is_none() && labels.key == written[0].begun.labels.key, "{labels:?}");
        assert_eq!(refusals.take().iter().map(|more| more.row.count).sum::<i64>(), 1_999);
        let mut other = refused_row(1, "invalid_json", 61);
        other.begun.labels.user = Some("user-9".into());
        assert!(
            !refusals.absorb(&mut other) && other.begun.labels.user.is_some(),
            "the next minute has a row of its own"
        );
    }
}
