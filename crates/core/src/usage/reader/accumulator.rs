//! The values found in a response so far, and the rules for adding up the events of a stream.

use super::response_usage::ResponseUsage;
use super::shape::{Figure, Member, Scope};
use crate::usage::money::NanoUsd;
use crate::usage::{MAX_COST, MAX_TOKENS, Usage};

/// Maximum length of an error name in bytes.
const MAX_ERROR_NAME: usize = 64;

/// The type of a document or event, as far as it decides over errors and the end of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EventType {
    /// It has none, as in Chat Completions.
    #[default]
    Absent,
    /// `error`.
    Error,
    /// `response.failed`.
    ResponseFailed,
    /// `response.completed`, `response.incomplete` or `response.done`.
    ResponseEnded,
    /// `message_stop`.
    MessageStop,
    /// Any other. Its error is not the answer's, for example in `response.fusion_call.panel.failed`.
    Other,
}

/// The event that ends a stream. An error ends each stream too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastEvent {
    /// `data: [DONE]`.
    Done,
    /// `response.completed`, `response.incomplete`, `response.failed` or `response.done`, with a `response`.
    Response,
    /// `message_stop`.
    MessageStop,
}

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
    /// The highest-ranked error name so far and its rank. It counts only if there is an error.
    name: (u8, String),
    event_type: EventType,
    /// True if there is an object `response` or `message`.
    has_answer: bool,
    has_usage: bool,
    has_output: bool,
    /// True if there is an `error`. It counts only if the event's type does not say otherwise.
    has_error_member: bool,
    /// True if a choice failed, or an earlier event had an error.
    has_failed: bool,
}

/// The numbers found so far, indexed by [`Figure`]. Costs are in nano-dollars.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    largest: [Option<u64>; Figure::COUNT],
    is_byok: bool,
}

impl Accumulator {
    /// Records the beginning of an object or array that matters.
    pub(super) fn begin(&mut self, member: Member) {
        match member {
            Member::Inner(Scope::Answer) => self.has_answer = true,
            Member::Inner(Scope::Usage) => self.has_usage = true,
            Member::Error => self.has_error_member = true,
            Member::ChoiceError => self.has_failed = true,
            // Only moderation errors have reasons. The name outranks the numeric code.
            Member::Inner(Scope::Reasons) => self.name(5, "moderation"),
            _ => {}
        }
    }

    /// Records output.
    pub(super) fn output(&mut self) {
        self.has_output = true;
    }

    /// Records the value of a member. `raw` is the text between the quotes (`quoted`), or a number or literal.
    pub(super) fn set_member(&mut self, member: Member, raw: &[u8], quoted: bool) {
        match member {
            Member::Figure(figure) => return self.figures.take(figure, raw),
            Member::Byok => return self.figures.is_byok |= raw == b"true" && !quoted,
            // Types are compared as they are written, so that `stream` can search for them.
            Member::EventType if quoted => return self.event_type = EventType::of(raw),
            Member::FinishReason => return self.has_failed |= quoted && raw == b"error",
            _ => {}
        }
        let mut unescaped = String::new();
        let Some(text) = decode(raw, quoted, &mut unescaped) else { return };
        match member {
            Member::Id if quoted && text.starts_with("gen-") => set(&mut self.generation, text),
            Member::Model if quoted => set(&mut self.model, text),
            Member::Provider if quoted => set(&mut self.provider, text),
            Member::ErrorType if quoted => self.name(4, text),
            Member::Type if quoted => self.name(3, text),
            Member::Code if text != "null" => self.name(2, text),
            Member::Error | Member::ChoiceError if quoted => {
                self.begin(member);
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
        self.has_usage || self.has_error()
    }

    fn has_error(&self) -> bool {
        let is_own = matches!(self.event_type, EventType::Absent | EventType::ResponseFailed);
        self.has_failed || self.event_type == EventType::Error || (self.has_error_member && is_own)
    }

    /// Returns true if this event ends the stream.
    pub(super) fn ends_stream(&mut self, last: LastEvent) -> bool {
        match (self.event_type, last) {
            (EventType::Absent, _) => self.has_error_member,
            (EventType::Error, _) => true,
            (EventType::ResponseEnded, LastEvent::Response) => self.has_answer,
            (EventType::ResponseFailed, LastEvent::Response) => {
                self.has_failed |= self.has_answer;
                self.has_answer
            }
            (EventType::MessageStop, LastEvent::MessageStop) => true,
            _ => false,
        }
    }

    /// Returns true if a model was found.
    pub(super) fn has_model(&self) -> bool {
        !self.model.is_empty()
    }

    /// Returns true if output was found.
    pub(super) fn has_output(&self) -> bool {
        self.has_output
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
        self.has_output |= later.has_output;
        if later.has_error() {
            // A finish reason has no name.
            if later.name.0 > 0 || !self.has_failed {
                std::mem::swap(&mut self.name, &mut later.name);
            }
            self.has_failed = true;
        }
        later.clear();
    }

    /// Removes all values and keeps the allocations.
    pub(super) fn clear(&mut self) {
        let mut texts =
            [&mut self.generation, &mut self.model, &mut self.provider, &mut self.name.1].map(std::mem::take);
        texts.iter_mut().for_each(String::clear);
        let [generation, model, provider, name] = texts;
        *self = Self { generation, model, provider, name: (0, name), ..Self::default() };
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
        let error = self.has_error().then(|| some(self.name.1).unwrap_or_else(|| "error".to_owned()));
        ResponseUsage {
            generation: some(self.generation),
            model: some(self.model),
            provider: some(self.provider),
            usage: self.figures.usage(convention),
            has_output: self.has_output,
            error,
            ..ResponseUsage::default()
        }
    }
}

impl EventType {
    fn of(raw: &[u8]) -> Self {
        match raw {
            b"error" => Self::Error,
            b"response.failed" => Self::ResponseFailed,
            b"response.completed" | b"response.incomplete" | b"response.done" => Self::ResponseEnded,
            b"message_stop" => Self::MessageStop,
            _ => Self::Other,
        }
    }
}

impl Figures {
    /// Records a number, quoted or not. Of repeated ones the largest counts.
    fn take(&mut self, figure: Figure, raw: &[u8]) {
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

    /// Takes the larger of each number. Numbers of a stream are cumulative, and a 0 in the last event does not reset
    /// them.
    fn raise(&mut self, later: Self) {
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

    fn usage(&self, convention: TokenConvention) -> Usage {
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
