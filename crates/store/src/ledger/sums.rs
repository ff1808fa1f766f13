//! Sums over requests.

use super::row::Row;

/// Sums over requests, in the units of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) requests: i64,
    pub(super) errors: i64,
    pub(super) refused: i64,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) cached_tokens: i64,
    pub(super) reasoning_tokens: i64,
    pub(super) cost: i64,
    pub(super) charged: i64,
    pub(super) request_bytes: i64,
    pub(super) response_bytes: i64,
    pub(super) first_byte_us: i64,
    pub(super) first_bytes: i64,
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
        let tokens = |count: Option<u64>| stored(count.unwrap_or_default());
        let cost = ended.usage.cost.unwrap_or_default();
        Some(Self {
            requests: i64::from(sent),
            errors: i64::from(sent && ended.error_kind().is_some()),
            refused: i64::from(!sent),
            prompt_tokens: tokens(ended.usage.prompt_tokens),
            completion_tokens: tokens(ended.usage.completion_tokens),
            cached_tokens: tokens(ended.usage.cached_tokens),
            reasoning_tokens: tokens(ended.usage.reasoning_tokens),
            cost: cost.0,
            charged: row.context.names.markup.charge(cost).0,
            request_bytes: stored(ended.request_bytes),
            response_bytes: stored(ended.response_bytes),
            first_byte_us: tokens(ended.first_byte_us),
            first_bytes: i64::from(ended.first_byte_us.is_some()),
            last_us: row.began_us,
        })
    }

    /// Adds other sums.
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.refused, other.refused),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.cost, other.cost),
            (&mut self.charged, other.charged),
            (&mut self.request_bytes, other.request_bytes),
            (&mut self.response_bytes, other.response_bytes),
            (&mut self.first_byte_us, other.first_byte_us),
            (&mut self.first_bytes, other.first_bytes),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
        self.last_us = self.last_us.max(other.last_us);
    }

    /// Returns the negated sums, for subtracting them. The time is kept, because it is a maximum.
    pub(super) fn negative(self) -> Self {
        Self {
            requests: -self.requests,
            errors: -self.errors,
            refused: -self.refused,
            prompt_tokens: -self.prompt_tokens,
            completion_tokens: -self.completion_tokens,
            cached_tokens: -self.cached_tokens,
            reasoning_tokens: -self.reasoning_tokens,
            cost: -self.cost,
            charged: -self.charged,
            request_bytes: -self.request_bytes,
            response_bytes: -self.response_bytes,
            first_byte_us: -self.first_byte_us,
            first_bytes: -self.first_bytes,
            last_us: 0,
        }
    }

    /// The columns in the table's order.
    pub(super) const COLUMNS: [&str; 14] = [
        "requests",
        "errors",
        "refused",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost",
        "charged",
        "request_bytes",
        "response_bytes",
        "first_byte_us",
        "first_bytes",
        "last_us",
    ];

    /// Returns the values in the order of [`Sums::COLUMNS`].
    pub(super) fn values(&self) -> [i64; 14] {
        [
            self.requests,
            self.errors,
            self.refused,
            self.prompt_tokens,
            self.completion_tokens,
            self.cached_tokens,
            self.reasoning_tokens,
            self.cost,
            self.charged,
            self.request_bytes,
            self.response_bytes,
            self.first_byte_us,
            self.first_bytes,
            self.last_us,
        ]
    }
}
