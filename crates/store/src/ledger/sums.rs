//! Sums over requests, and the one list of the summed columns of the table `sums`.

use callsign_core::usage::judgement::Bill;

use super::row::Row;

/// The summed counts of requests and tokens.
pub(super) const COUNTS: [&str; 10] = [
    "requests",
    "errors",
    "refused",
    "pending",
    "never",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];
/// The summed amounts of money.
pub(super) const AMOUNTS: [&str; 3] = ["cost", "provider_cost", "charged"];
/// The summed lengths.
const LENGTHS: [&str; 2] = ["request_bytes", "response_bytes"];
/// The number of summed columns.
const SUMMED: usize = COUNTS.len() + AMOUNTS.len() + LENGTHS.len();

/// Returns the summed columns, in the table's order. [`Sums::of`] fills them in this order.
pub(super) fn columns() -> impl Iterator<Item = &'static str> {
    COUNTS.into_iter().chain(AMOUNTS).chain(LENGTHS)
}

/// Returns the summed columns, separated by commas.
pub(super) fn column_list() -> String {
    columns().collect::<Vec<_>>().join(", ")
}

/// Sums over requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// In the order of [`columns`].
    pub(super) values: [i64; SUMMED],
    /// Start of the latest request (a maximum, not a sum).
    pub(super) last_us: i64,
}

/// Converts a count to the database's type.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Sums {
    /// Returns the sums of one finished request; `None` if it still runs.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let ended = row.ended.as_ref()?;
        let sent = ended.went_upstream();
        let usage = &ended.usage;
        let tokens = |count: Option<u64>| stored(count.unwrap_or_default());
        let provider_cost = usage.provider_cost.unwrap_or_default();
        let charged = row.begun.markup.charge(usage.cost.unwrap_or_default().saturating_add(provider_cost));
        let values = [
            i64::from(sent),
            i64::from(sent && ended.error.is_some()),
            if sent { 0 } else { row.count },
            i64::from(ended.bill == Bill::Pending),
            i64::from(ended.bill == Bill::Never),
            tokens(usage.prompt_tokens),
            tokens(usage.completion_tokens),
            tokens(usage.cached_tokens),
            tokens(usage.cache_write_tokens),
            tokens(usage.reasoning_tokens),
            usage.cost.unwrap_or_default().0,
            provider_cost.0,
            charged.0,
            stored(ended.request_bytes),
            stored(ended.response_bytes),
        ];
        Some(Self { values, last_us: row.begun.began_us })
    }

    /// Adds other sums.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.values.iter_mut().zip(other.values) {
            *sum = sum.saturating_add(more);
        }
        self.last_us = self.last_us.max(other.last_us);
    }

    /// Returns the negated sums, for subtracting them. The time is kept, because it is a maximum.
    pub(super) fn negative(self) -> Self {
        Self { values: self.values.map(|value| -value), last_us: 0 }
    }

    /// Returns true if adding these sums changes nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.values.iter().all(|value| *value == 0)
    }
}
