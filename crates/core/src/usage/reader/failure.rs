//! Decides from the members of a document or event if the answer failed, and if its stream ends.

/// Maximum length of an error name in bytes.
const MAX_NAME: usize = 64;

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

/// The errors that a document, or all counted events of a stream, report.
#[derive(Debug, Default)]
pub(super) struct Failure {
    event_type: EventType,
    /// True if there is an object `response`.
    has_response: bool,
    /// True if there is an `error`. The event's type decides if it is the answer's.
    has_member: bool,
    /// True if a choice failed, or an earlier event had an error.
    has_failed: bool,
    /// The highest-ranked error name so far and its rank. It counts only if there is an error.
    name: (u8, String),
}

impl Failure {
    /// Records the event's type. It is compared as it is written, so that `stream` can search for it.
    pub(super) fn set_event_type(&mut self, raw: &[u8]) {
        self.event_type = match raw {
            b"error" => EventType::Error,
            b"response.failed" => EventType::ResponseFailed,
            b"response.completed" | b"response.incomplete" | b"response.done" => EventType::ResponseEnded,
            b"message_stop" => EventType::MessageStop,
            _ => EventType::Other,
        };
    }

    /// Records an object `response`.
    pub(super) fn set_response(&mut self) {
        self.has_response = true;
    }

    /// Records an `error`.
    pub(super) fn set_member(&mut self) {
        self.has_member = true;
    }

    /// Records the error of a choice.
    pub(super) fn set_failed(&mut self) {
        self.has_failed = true;
    }

    /// Keeps the highest-ranked error name. Only `[A-Za-z0-9_.-]{1,64}` is accepted, so free text, and thus a prompt,
    /// is not stored.
    pub(super) fn name(&mut self, rank: u8, text: &str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if rank > self.name.0 && (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain) {
            self.name.0 = rank;
            self.name.1.clear();
            self.name.1.push_str(text);
        }
    }

    /// Returns true if there is an error of the answer.
    pub(super) fn is_error(&self) -> bool {
        let is_own = matches!(self.event_type, EventType::Absent | EventType::ResponseFailed);
        self.has_failed || self.event_type == EventType::Error || (self.has_member && is_own)
    }

    /// Returns true if this event ends the stream. A failed response is then an error also without an `error`.
    pub(super) fn ends_stream(&mut self, last: LastEvent) -> bool {
        match (self.event_type, last) {
            (EventType::Absent, _) => self.has_member,
            (EventType::Error, _) | (EventType::MessageStop, LastEvent::MessageStop) => true,
            (EventType::ResponseEnded, LastEvent::Response) => self.has_response,
            (EventType::ResponseFailed, LastEvent::Response) => {
                self.has_failed |= self.has_response;
                self.has_response
            }
            _ => false,
        }
    }

    /// Adds a later event of the same stream. Its name replaces the earlier one, if it has one.
    pub(super) fn absorb(&mut self, later: &mut Self) {
        if later.is_error() {
            if later.name.0 > 0 || !self.has_failed {
                std::mem::swap(&mut self.name, &mut later.name);
            }
            self.has_failed = true;
        }
    }

    /// Removes all values and keeps the allocation.
    pub(super) fn clear(&mut self) {
        let mut name = std::mem::take(&mut self.name.1);
        name.clear();
        *self = Self { name: (0, name), ..Self::default() };
    }

    /// Returns the memory that the name uses, in bytes.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.name.1.capacity()
    }

    /// Returns the error's name; `None` without an error.
    pub(super) fn into_name(self) -> Option<String> {
        let is_error = self.is_error();
        let name = self.name.1;
        is_error.then(|| if name.is_empty() { "error".to_owned() } else { name })
    }
}
