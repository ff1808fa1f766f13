//! The values found in a response so far, and the rules for adding up the events of a stream.

use super::failure::{Failure, LastEvent};
use super::figures::{Figures, TokenConvention};
use super::response_usage::ResponseUsage;
use super::shape::{Member, Scope};

/// The values found in one document, or in all counted events of a stream. Clearing keeps the allocations of the texts
/// for the next event.
#[derive(Debug, Default)]
pub(super) struct Accumulator {
    generation: String,
    model: String,
    provider: String,
    figures: Figures,
    failure: Failure,
    has_usage: bool,
    has_output: bool,
}

impl Accumulator {
    /// Records the beginning of an object or array that matters.
    pub(super) fn begin(&mut self, member: Member) {
        match member {
            Member::Response => self.failure.set_response(),
            Member::Inner(Scope::Usage) => self.has_usage = true,
            Member::Error => self.failure.set_member(),
            Member::ChoiceError => self.failure.set_failed(),
            // Only moderation errors have reasons. The name outranks the numeric code.
            Member::Inner(Scope::Reasons) => self.failure.name(5, "moderation"),
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
            Member::Byok if raw == b"true" && !quoted => return self.figures.set_byok(),
            Member::EventType if quoted => return self.failure.set_event_type(raw),
            Member::FinishReason if raw == b"error" && quoted => return self.failure.set_failed(),
            _ => {}
        }
        let mut unescaped = String::new();
        let Some(text) = decode(raw, quoted, &mut unescaped) else { return };
        match member {
            Member::Id if quoted && text.starts_with("gen-") => set(&mut self.generation, text),
            Member::Model if quoted => set(&mut self.model, text),
            Member::Provider if quoted => set(&mut self.provider, text),
            Member::ErrorType if quoted => self.failure.name(4, text),
            Member::Type if quoted => self.failure.name(3, text),
            Member::Code if text != "null" => self.failure.name(2, text),
            Member::Error | Member::ChoiceError if quoted => {
                self.begin(member);
                self.failure.name(1, text);
            }
            _ => {}
        }
    }

    /// Returns true if there is a usage or an error. Events after the first ones count only then.
    pub(super) fn matters(&self) -> bool {
        self.has_usage || self.failure.is_error()
    }

    /// Returns true if this event ends the stream.
    pub(super) fn ends_stream(&mut self, last: LastEvent) -> bool {
        self.failure.ends_stream(last)
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
        self.failure.absorb(&mut later.failure);
        later.clear();
    }

    /// Removes all values and keeps the allocations.
    pub(super) fn clear(&mut self) {
        for text in [&mut self.generation, &mut self.model, &mut self.provider] {
            text.clear();
        }
        self.failure.clear();
        self.figures = Figures::default();
        (self.has_usage, self.has_output) = (false, false);
    }

    /// Returns the memory in use, in bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let texts = [&self.generation, &self.model, &self.provider];
        size_of::<Self>() + self.failure.capacity() + texts.iter().map(|text| text.capacity()).sum::<usize>()
    }

    /// Returns the result.
    pub(super) fn into_usage(self, convention: TokenConvention) -> ResponseUsage {
        let some = |text: String| (!text.is_empty()).then_some(text);
        ResponseUsage {
            generation: some(self.generation),
            model: some(self.model),
            provider: some(self.provider),
            usage: self.figures.usage(convention),
            has_output: self.has_output,
            is_whole: false,
            error: self.failure.into_name(),
        }
    }
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
