//! Numbers the contexts of rows: what the requests of one person and chat share is stored once.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::{fast, quality};

use crate::ledger::grain::{DAY_US, now_us};
use crate::ledger::record::{Begun, RequestLabels};

/// Maximum number of remembered contexts, of about 50 bytes each. Then they are numbered again.
const REMEMBERED: usize = 50_000;
/// The factor of the milliseconds in a context's number.
const RANDOM: i64 = 1 << 22;
/// Age at which no remembered context is used any more: they are numbered again every day.
const UNUSED_US: i64 = 2 * DAY_US;

/// The contexts that a connection has written.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// The numbers of context and person, by a digest of 128 bits.
    known: HashMap<u128, (i64, i64), fast::RandomState>,
    /// The digests that the open transaction adds.
    fresh: Vec<u128>,
    hashers: [quality::RandomState; 2],
    day: i64,
    latest: i64,
}

impl Contexts {
    /// Forgets all contexts.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.fresh.clear();
    }

    /// Forgets the contexts of a transaction that was not committed.
    pub(super) fn undo(&mut self) {
        for digest in self.fresh.drain(..) {
            self.known.remove(&digest);
        }
    }

    /// Notes that the open transaction is committed.
    pub(super) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// Returns a number that is greater than all before: times first, so that the table grows at its end. The first
    /// number of a millisecond is random, because other connections number contexts of the same tables.
    pub(super) fn number(&mut self) -> i64 {
        self.number_at(now_us())
    }

    fn number_at(&mut self, us: i64) -> i64 {
        let first = first_at(us);
        self.latest = if self.latest < first {
            let [hasher, _] = &self.hashers;
            first + (hasher.hash_one((self.latest, us)) >> 42).cast_signed()
        } else {
            self.latest + 1
        };
        self.latest
    }

    /// Returns the digest of everything that a context consists of.
    fn digest(&self, begun: &Begun) -> u128 {
        let Begun { id: _, began_us: _, labels, sent, endpoint, account, markup } = begun;
        let RequestLabels { tenant, key, user, session, chat, message: _ } = labels;
        let names = (tenant, key, user, session, chat);
        let sent = (&sent.user, &sent.session, &sent.metadata_session, &sent.chat);
        let all = (names, sent, endpoint, account, markup.millionths());
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(all)));
        high << 64 | low
    }

    /// Returns true if the row's context is in the table.
    pub(super) fn is_known(&self, begun: &Begun) -> bool {
        self.known.contains_key(&self.digest(begun))
    }

    /// Forgets all contexts if there are too many, or a new day has begun.
    pub(super) fn make_room(&mut self) {
        let day = now_us() / DAY_US;
        if self.known.len() > REMEMBERED || self.day != day {
            self.clear();
            self.day = day;
        }
    }

    /// Returns the numbers of a row's context and person, and true if they are new.
    pub(super) fn find(&mut self, begun: &Begun) -> (i64, i64, bool) {
        let digest = self.digest(begun);
        if let Some((context, person)) = self.known.get(&digest) {
            return (*context, *person, false);
        }
        let (context, person) = (self.number(), begun.labels.person_number());
        self.known.insert(digest, (context, person));
        self.fresh.push(digest);
        (context, person, true)
    }
}

/// Returns the smallest number of a context of this time.
fn first_at(us: i64) -> i64 {
    (us / 1000).saturating_mul(RANDOM)
}

/// Returns the number below which no retained row has its context.
pub(super) fn unused_before(from_us: i64) -> i64 {
    first_at(from_us.saturating_sub(UNUSED_US).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_comes_twice_also_within_a_millisecond_and_with_a_clock_that_goes_back() {
        let mut contexts = Contexts::default();
        let mut latest = 0;
        // 22 random bits alone would repeat a number among 10,000 with near certainty.
        for us in std::iter::repeat_n(5_000_000, 10_000).chain([4_000_000, 5_001_000, 9_000_000]) {
            let number = contexts.number_at(us);
            assert!(number > latest && number >= first_at(us), "{latest}, then {number}");
            latest = number;
        }
        assert!(latest < first_at(9_001_000), "it is in its own millisecond");
    }

    #[test]
    fn two_connections_begin_a_millisecond_at_different_numbers() {
        let firsts: std::collections::HashSet<_> = (0..20).map(|_| Contexts::default().number_at(7_000_000)).collect();
        assert!(firsts.len() > 15, "{firsts:?}");
    }
}
