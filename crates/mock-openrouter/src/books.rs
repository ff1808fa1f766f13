//! The account books of a mock server: what every inference request cost, in whole nano-dollars.
//!
//! A test compares callsign's ledger with them. A request is entered once, when its response ends or its client leaves.

use std::collections::VecDeque;
use std::sync::Arc;

/// The account books: one entry for each answered POST request of an inference endpoint, in the order of their ends.
///
/// A request that is answered with an error status, or with an error before any output, costs nothing. A request whose
/// client leaves before the end costs as much as a complete one. A request whose client leaves before the head of the
/// response, for example under the fault `hang`, did not run and has no entry.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// The latest entries, at most [`super::Options::book_entries`].
    pub entries: VecDeque<Entry>,
    /// The sum of the older entries, which are not kept.
    pub dropped: Total,
}

/// One request in the [`Books`]. Amounts are in nano-dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The generation id, as in `x-generation-id`.
    pub generation: Arc<str>,
    /// The path below `/api/v1/`: `chat/completions`.
    pub endpoint: &'static str,
    /// The status of the response.
    pub status: u16,
    /// OpenRouter's charge.
    pub cost: u64,
    /// The provider's bill to the operator; not 0 only for the behaviour `byok-N`.
    pub provider_cost: u64,
    /// True if the client left before the response ended. A response that the mock server itself aborts has not lost
    /// its client.
    pub client_left: bool,
}

/// The sum of entries. Amounts are in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// The number of entries.
    pub requests: u64,
    /// The sum of [`Entry::cost`].
    pub cost: u64,
    /// The sum of [`Entry::provider_cost`].
    pub provider_cost: u64,
}

impl Total {
    fn add(&mut self, entry: &Entry) {
        // A name sets at most 1000 dollars, so `u64` holds the sum of nine million requests.
        self.requests += 1;
        self.cost = self.cost.saturating_add(entry.cost);
        self.provider_cost = self.provider_cost.saturating_add(entry.provider_cost);
    }
}

impl Books {
    /// Returns the sum of all entries since the start, including those that are not kept.
    pub fn total(&self) -> Total {
        let mut total = self.dropped;
        self.entries.iter().for_each(|entry| total.add(entry));
        total
    }

    /// Adds an entry. Returns the oldest entry if there are more than `limit`.
    pub(super) fn add(&mut self, entry: Entry, limit: usize) -> Option<Entry> {
        self.entries.push_back(entry);
        let oldest = if self.entries.len() > limit { self.entries.pop_front() } else { None };
        if let Some(oldest) = &oldest {
            self.dropped.add(oldest);
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            generation: format!("gen-{number}").into(),
            endpoint: "chat/completions",
            status: 200,
            cost: number,
            provider_cost: 1,
            client_left: false,
        }
    }

    #[test]
    fn the_total_includes_entries_that_are_not_kept() {
        let mut books = Books::default();
        let dropped: Vec<_> = (1..=5).filter_map(|number| books.add(entry(number), 3)).collect();
        assert_eq!(dropped, [entry(1), entry(2)]);
        assert_eq!(books.entries, [entry(3), entry(4), entry(5)]);
        assert_eq!(books.dropped, Total { requests: 2, cost: 3, provider_cost: 2 });
        assert_eq!(books.total(), Total { requests: 5, cost: 15, provider_cost: 5 });
    }

    #[test]
    fn the_default_keeps_every_entry_of_a_long_test() {
        let limit = super::super::Options::default().book_entries;
        let mut books = Books::default();
        assert!((1..=200_000).all(|number| books.add(entry(number), limit).is_none()));
        let total = Total { requests: 200_000, cost: 200_000 * 200_001 / 2, provider_cost: 200_000 };
        assert_eq!((books.entries.len(), books.total()), (200_000, total));
    }
}
