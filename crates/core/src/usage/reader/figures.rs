//! The numbers found in a response so far: tokens and costs.

use super::shape::Figure;
use crate::usage::money::NanoUsd;
use crate::usage::{MAX_COST, MAX_TOKENS, Usage};

/// The meaning of `input_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenConvention {
    /// The whole prompt, as in OpenAI's formats.
    CachedWithin,
    /// The tokens that were neither read from a cache nor written to one, as in Anthropic's format.
    CachedApart,
}

/// The largest of each number, indexed by [`Figure`]. Costs are in nano-dollars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    largest: [Option<u64>; Figure::COUNT],
    is_byok: bool,
}

impl Figures {
    /// Records a number, quoted or not. Of repeated ones the largest counts.
    pub(super) fn take(&mut self, figure: Figure, raw: &[u8]) {
        // The parts are needed only without their sum, which usually comes first.
        if matches!(figure, Figure::UpstreamInput | Figure::UpstreamOutput) && self.get(Figure::Upstream).is_some() {
            return;
        }
        let new = if figure.is_cost() {
            let cost = std::str::from_utf8(raw).ok().and_then(NanoUsd::parse).filter(|cost| *cost <= MAX_COST);
            cost.and_then(|cost| u64::try_from(cost.0).ok())
        } else {
            count(raw).filter(|tokens| *tokens <= MAX_TOKENS)
        };
        if let Some(largest) = self.largest.get_mut(figure as usize) {
            *largest = (*largest).max(new);
        }
    }

    /// Records that the operator's own key at the provider paid.
    pub(super) fn set_byok(&mut self) {
        self.is_byok = true;
    }

    /// Takes the larger of each number. Numbers of a stream are cumulative, and a 0 in the last event does not reset
    /// them.
    pub(super) fn raise(&mut self, later: Self) {
        for (own, new) in self.largest.iter_mut().zip(later.largest) {
            *own = (*own).max(new);
        }
        self.is_byok |= later.is_byok;
    }

    fn get(&self, figure: Figure) -> Option<u64> {
        self.largest.get(figure as usize).copied().flatten()
    }

    fn cost(&self, figure: Figure) -> Option<NanoUsd> {
        self.get(figure).and_then(|nano| i64::try_from(nano).ok()).map(NanoUsd)
    }

    /// Returns the tokens and costs.
    pub(super) fn usage(&self, convention: TokenConvention) -> Usage {
        let (read, written) = (self.get(Figure::CacheRead), self.get(Figure::CacheCreation));
        let apart = match convention {
            TokenConvention::CachedWithin => 0,
            TokenConvention::CachedApart => read.unwrap_or(0) + written.unwrap_or(0),
        };
        let input = self.get(Figure::Input).map(|tokens| tokens + apart);
        // If there is only a total (rerank), it is the prompt.
        let total = self.get(Figure::Total).filter(|_| self.get(Figure::Output).is_none());
        Usage {
            prompt_tokens: self.get(Figure::Prompt).or(input).or(total),
            completion_tokens: self.get(Figure::Output),
            cached_tokens: self.get(Figure::Cached).or(read),
            cache_write_tokens: self.get(Figure::CacheWrite).or(written),
            reasoning_tokens: self.get(Figure::Reasoning),
            cost: self.cost(Figure::Cost),
            provider_cost: self.provider_cost(),
            server_tool_cost: self.cost(Figure::ServerTool),
        }
        .plausible()
    }

    /// Returns what the provider bills. Without the operator's own key at the provider, `upstream_inference_cost` is
    /// the part of OpenRouter's charge that OpenRouter hands on. OpenRouter may omit it and send only its parts.
    fn provider_cost(&self) -> Option<NanoUsd> {
        if !self.is_byok {
            return None;
        }
        let parts = [Figure::UpstreamInput, Figure::UpstreamOutput].map(|part| self.cost(part));
        let sum = || parts.iter().any(Option::is_some).then(|| parts.into_iter().flatten().sum());
        self.cost(Figure::Upstream).or_else(sum)
    }
}

/// Parses a number that has only digits.
fn count(raw: &[u8]) -> Option<u64> {
    let (first, rest) = raw.split_first()?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    rest.iter().try_fold(digit(first)?, |count, byte| count.checked_mul(10)?.checked_add(digit(byte)?))
}
