//! The usage of a request: tokens, cost, and how the request ended.

pub mod generation;
pub mod markup;
pub mod money;
pub mod outcome;
pub mod reader;

use money::NanoUsd;

/// The usage that OpenRouter reports for a request; `None` for values that it did not report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, including cached ones.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens, including reasoning.
    pub completion_tokens: Option<u64>,
    /// Prompt tokens that were read from a cache.
    pub cached_tokens: Option<u64>,
    /// Completion tokens that were spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// The cost that OpenRouter charged.
    pub cost: Option<NanoUsd>,
}
