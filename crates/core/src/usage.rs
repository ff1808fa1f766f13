//! The usage of a request: tokens, cost, and how the request ended.

pub mod generation;
pub mod judgement;
pub mod markup;
pub mod money;
pub mod outcome;
pub mod price;
pub mod reader;

use money::NanoUsd;

/// Largest accepted number of tokens; a larger one counts as absent.
pub const MAX_TOKENS: u64 = 1_000_000_000;
/// Largest accepted cost, 4,000 dollars; a larger one counts as absent. The total costs of a million requests fit into
/// an `i64` of nano-dollars.
pub const MAX_COST: NanoUsd = NanoUsd(4_000_000_000_000);

/// The usage that OpenRouter reports for a request; `None` for values that it did not report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, including cached ones.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens, including reasoning.
    pub completion_tokens: Option<u64>,
    /// Prompt tokens that were read from a cache.
    pub cached_tokens: Option<u64>,
    /// Prompt tokens that were written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// Completion tokens that were spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// The cost that OpenRouter charges.
    pub cost: Option<NanoUsd>,
    /// The cost that a provider bills directly to the operator, for a request with the operator's own key at that
    /// provider (`is_byok`). It is not part of `cost`.
    pub provider_cost: Option<NanoUsd>,
    /// The part of the cost that server tools caused (`cost_details.server_tool_cost`).
    pub server_tool_cost: Option<NanoUsd>,
}

impl Usage {
    /// Removes figures over [`MAX_TOKENS`] and [`MAX_COST`].
    #[must_use]
    pub fn plausible(self) -> Self {
        let tokens = |count: Option<u64>| count.filter(|count| *count <= MAX_TOKENS);
        let cost = |cost: Option<NanoUsd>| cost.filter(|cost| *cost <= MAX_COST);
        Self {
            prompt_tokens: tokens(self.prompt_tokens),
            completion_tokens: tokens(self.completion_tokens),
            cached_tokens: tokens(self.cached_tokens),
            cache_write_tokens: tokens(self.cache_write_tokens),
            reasoning_tokens: tokens(self.reasoning_tokens),
            cost: cost(self.cost),
            provider_cost: cost(self.provider_cost),
            server_tool_cost: cost(self.server_tool_cost),
        }
    }

    /// Returns what the request costs the operator: OpenRouter's charge and the provider's bill
    /// (docs/SPEC.md#cost). `None` if neither is known.
    pub fn total_cost(&self) -> Option<NanoUsd> {
        self.charge().map(|cost| cost.saturating_add(self.provider_cost.unwrap_or_default()))
    }

    /// Returns OpenRouter's charge. Beside a provider's bill an absent charge is 0, so that the bill counts.
    pub fn charge(&self) -> Option<NanoUsd> {
        let is_billed = self.provider_cost.is_some_and(|bill| bill > NanoUsd::ZERO);
        self.cost.or_else(|| is_billed.then_some(NanoUsd::ZERO))
    }
}
