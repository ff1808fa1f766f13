//! What is archived of one request, in the order in which it comes to be known.

use super::flat::Flat;
use super::path::Named;
use crate::identifiers::Names;
use crate::ledger;
use crate::relay::tap::Seen;

/// What is known when a request is about to go upstream.
#[derive(Clone, Debug)]
pub struct Begun {
    /// As the ledger has it: who asks, and what is said about them.
    pub row: ledger::Begun,
    /// What its file is called.
    pub names: Names,
    /// The client's headers.
    pub received: Flat,
    /// Those that go upstream.
    pub sent: Flat,
    /// Whether its body is a form.
    pub is_form: bool,
}

/// What is known when it has ended.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// The status that the client got; 0 if none.
    pub status: u16,
    /// How it ended, one of a fixed set.
    pub outcome: &'static str,
    /// callsign's own error code, if it answered by itself.
    pub code: Option<&'static str>,
    /// What the answer said about itself.
    pub seen: Seen,
    /// Microseconds from the request's head to the answer's.
    pub first_byte_us: Option<u64>,
    /// Microseconds from the request's head to its end.
    pub duration_us: u64,
}

/// What kind of answer it was, which names its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stream of events.
    Events,
    /// JSON, callsign's own errors among it.
    #[default]
    Json,
    /// Sound, or a page of the network in front of OpenRouter.
    Other,
}

impl Kind {
    /// By the answer's content type.
    pub(super) fn of(content_type: Option<&[u8]>) -> Self {
        let essence = content_type.unwrap_or_default().split(|&byte| byte == b';').next().unwrap_or_default();
        match essence.trim_ascii().to_ascii_lowercase().as_slice() {
            b"text/event-stream" => Self::Events,
            b"application/json" => Self::Json,
            other if other.ends_with(b"+json") => Self::Json,
            _ => Self::Other,
        }
    }

    /// The name of its entry.
    pub(super) fn entry(self) -> &'static str {
        match self {
            Self::Events => "response.sse",
            Self::Json => "response.json",
            Self::Other => "response.bin",
        }
    }
}

impl Begun {
    /// What this request's archive is called; `generation` stands in for what has no name, or else the request's own id.
    pub(super) fn named<'a>(&'a self, stand_in: &'a str) -> Named<'a> {
        Named {
            tenant: self.row.names.tenant.as_deref(),
            user: self.names.user.as_deref(),
            chat: self.names.chat.as_deref().unwrap_or(stand_in),
            message: self.names.message.as_deref().unwrap_or(stand_in),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_named_by_the_content_type() {
        for (content_type, name) in [
            ("text/event-stream", "response.sse"),
            ("Text/Event-Stream; charset=utf-8", "response.sse"),
            ("application/json", "response.json"),
            ("application/problem+json", "response.json"),
            ("audio/mpeg", "response.bin"),
            ("text/html", "response.bin"),
        ] {
            assert_eq!(Kind::of(Some(content_type.as_bytes())).entry(), name, "{content_type}");
        }
        assert_eq!(Kind::of(None).entry(), "response.bin");
    }
}
