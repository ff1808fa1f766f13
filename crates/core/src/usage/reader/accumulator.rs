//! The values found in a response so far, and the rules for adding up the events of a stream.

use super::response_usage::ResponseUsage;
use super::shape::{Figure, Member, Scope};
use crate::usage::Usage;
use crate::usage::money::NanoUsd;

/// Largest accepted number of tokens; a larger one counts as absent. A million such rows still fit into an `i64`.
const MAX_TOKENS: u64 = 1_000_000_000_000;
/// Largest accepted cost, a million dollars; a larger one counts as absent.
const MAX_COST: NanoUsd = NanoUsd(1_000_000_000_000_000);
/// Maximum length of an error name in bytes.
const MAX_ERROR_NAME: usize = 64;

/// The meaning of `input_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenConvention {
    /// The whole prompt, as in OpenAI's formats.
    CachedWithin,
    /// The tokens that were neither read from a cache nor written to one, as in Anthropic's format.
    CachedApart,
}

/// The values found in one document, or in all counted events of a stream. Clearing keeps the allocations of the texts
/// for the next event.
#[derive(Debug, Default)]
pub(super) struct Accumulator {
    generation: String,
    model: String,
    provider: String,
    figures: Figures,
    /// The highest-ranked error name so far and its rank. It counts only if `has_error`.
    name: (u8, String),
    has_usage: bool,
    has_error: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    prompt: Option<u64>,
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_read: Option<u64>,
    cache_creation: Option<u64>,
    reasoning: Option<u64>,
    cost: Option<NanoUsd>,
}

impl Accumulator {
    /// Records the beginning of an object or array that matters.
    pub(super) fn begin_scope(&mut self, scope: Scope) {
        self.has_usage |= scope == Scope::Usage;
        self.has_error |= scope == Scope::Error;
        if scope == Scope::Reasons {
            // Only moderation errors have reasons. The name outranks the numeric code.
            self.name(5, "moderation");
        }
    }

    /// Records the value of a member. `raw` is the text between the quotes (`quoted`), or a number or literal.
    pub(super) fn set_member(&mut self, member: Member, raw: &[u8], quoted: bool) {
        if let Member::Figure(figure) = member {
            return self.figures.take(figure, raw);
        }
        let mut unescaped = String::new();
        let Some(text) = decode(raw, quoted, &mut unescaped) else { return };
        match member {
            Member::Id if quoted && text.starts_with("gen-") => set(&mut self.generation, text),
            Member::Model if quoted => set(&mut self.model, text),
            Member::Provider if quoted => set(&mut self.provider, text),
            Member::EventType if quoted => self.has_error |= text == "error",
            Member::ErrorType if quoted => self.name(4, text),
            Member::Type if quoted => self.name(3, text),
            Member::Code if text != "null" => self.name(2, text),
            Member::Error if quoted => {
                self.has_error = true;
                self.name(1, text);
            }
            _ => {}
        }
    }

    /// Keeps the highest-ranked error name. Only `[A-Za-z0-9_.-]{1,64}` is accepted, so free text, and thus a prompt,
    /// is not stored.
    fn name(&mut self, rank: u8, text: &str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if rank > self.name.0 && (1..=MAX_ERROR_NAME).contains(&text.len()) && text.bytes().all(plain) {
            self.name.0 = rank;
            set(&mut self.name.1, text);
        }
    }

    /// Returns true if there is a usage or an error. Events after the first ones count only then.
    pub(super) fn matters(&self) -> bool {
        self.has_usage || self.has_error
    }

    /// Returns true if a model was found.
    pub(super) fn has_model(&self) -> bool {
        !self.model.is_empty()
    }

    /// Adds a later event of the same stream and clears it. Its names replace the earlier ones; of each number the
    /// larger one counts.
    pub(super) fn absorb(&mut self, later: &mut Self) {
        for (own, new) in [
            (&mut self.generation, &mut later.generation),
            (&mut self.model, &mut later.model),
            (&mut self.provider, &mut later.provider),
        ] {
            if !new.is_empty() {
                std::mem::swap(own, new);
            }
        }
        self.figures.raise(later.figures);
        if later.has_error {
            self.has_error = true;
            std::mem::swap(&mut self.name, &mut later.name);
        }
        later.clear();
    }

    /// Removes all values and keeps the allocations.
    pub(super) fn clear(&mut self) {
        for text in [&mut self.generation, &mut self.model, &mut self.provider, &mut self.name.1] {
            text.clear();
        }
        self.name.0 = 0;
        self.figures = Figures::default();
        (self.has_usage, self.has_error) = (false, false);
    }

    /// Returns the memory in use, in bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let texts = [&self.generation, &self.model, &self.provider, &self.name.1];
        size_of::<Self>() + texts.iter().map(|text| text.capacity()).sum::<usize>()
    }

    /// Returns the result.
    pub(super) fn into_usage(self, convention: TokenConvention) -> ResponseUsage {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let error = self.has_error.then(|| some(self.name.1).unwrap_or_else(|| "error".to_owned()));
        ResponseUsage {
            generation: some(self.generation),
            model: some(self.model),
            provider: some(self.provider),
            usage: self.figures.usage(convention),
            error,
            ..ResponseUsage::default()
        }
    }
}

impl Figures {
    /// Records a number, quoted or not. Of repeated ones the largest counts.
    fn take(&mut self, figure: Figure, raw: &[u8]) {
        let place = match figure {
            Figure::Prompt => &mut self.prompt,
            Figure::Input => &mut self.input,
            Figure::Output => &mut self.output,
            Figure::Total => &mut self.total,
            Figure::Cached => &mut self.cached,
            Figure::CacheRead => &mut self.cache_read,
            Figure::CacheCreation => &mut self.cache_creation,
            Figure::Reasoning => &mut self.reasoning,
            Figure::Cost => {
                let cost = std::str::from_utf8(raw).ok().and_then(NanoUsd::parse).filter(|cost| *cost <= MAX_COST);
                self.cost = self.cost.max(cost);
                return;
            }
        };
        *place = (*place).max(count(raw).filter(|tokens| *tokens <= MAX_TOKENS));
    }

    /// Takes the larger of each number. Numbers of a stream are cumulative, and a 0 in the last event does not reset
    /// them.
    fn raise(&mut self, later: Self) {
        self.prompt = self.prompt.max(later.prompt);
        self.input = self.input.max(later.input);
        self.output = self.output.max(later.output);
        self.total = self.total.max(later.total);
        self.cached = self.cached.max(later.cached);
        self.cache_read = self.cache_read.max(later.cache_read);
        self.cache_creation = self.cache_creation.max(later.cache_creation);
        self.reasoning = self.reasoning.max(later.reasoning);
        self.cost = self.cost.max(later.cost);
    }

    fn usage(self, convention: TokenConvention) -> Usage {
        let apart = match convention {
            TokenConvention::CachedWithin => 0,
            TokenConvention::CachedApart => self.cache_read.unwrap_or(0) + self.cache_creation.unwrap_or(0),
        };
        let input = self.input.map(|tokens| tokens + apart);
        // If there is only a total (rerank), it is the prompt.
        let total = self.total.filter(|_| self.output.is_none());
        Usage {
            prompt_tokens: self.prompt.or(input).or(total),
            completion_tokens: self.output,
            cached_tokens: self.cached.or(self.cache_read),
            reasoning_tokens: self.reasoning,
            cost: self.cost,
            ..Usage::default()
        }
    }
}

/// Parses a number that has only digits.
fn count(raw: &[u8]) -> Option<u64> {
    let (first, rest) = raw.split_first()?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    rest.iter().try_fold(digit(first)?, |count, byte| count.checked_mul(10)?.checked_add(digit(byte)?))
}

/// Replaces the text, unless the new one is empty.
fn set(place: &mut String, text: &str) {
    if !text.is_empty() {
        place.clear();
        place.push_str(text);
    }
}

/// Returns the decoded text; `None` if it is not UTF-8 or has invalid escapes.
fn decode<'a>(raw: &'a [u8], quoted: bool, unescaped: &'a mut String) -> Option<&'a str> {
    let text = std::str::from_utf8(raw).ok()?;
    if !quoted || memchr::memchr(b'\\', raw).is_none() {
        return Some(text);
    }
    *unescaped = serde_json::from_str(&format!("\"{text}\"")).ok()?;
    Some(unescaped)
}
