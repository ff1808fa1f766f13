//! Data that is archived for one request: [`Begun`] before it goes upstream, [`Finished`] at its end.

use super::header_snapshot::HeaderSnapshot;
use super::path::Named;
use crate::ledger;
use callsign_core::identity::RenderedIds;
use callsign_core::usage::reader::ResponseUsage;

/// Data that is known before a request goes upstream.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The request's start as the ledger records it: id, time, caller and identifiers.
    pub row: ledger::Begun,
    /// The rendered identifiers. They become the archive's path.
    pub names: RenderedIds,
    /// The client's headers, without credentials.
    pub received: HeaderSnapshot,
    /// The headers that go upstream, without credentials.
    pub sent: HeaderSnapshot,
    /// True if the body is `multipart/form-data`.
    pub is_form: bool,
}

/// Data that is known at the end of a request.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// The HTTP status that the client received; 0 if none.
    pub status: u16,
    /// The outcome's name (see [`Meta::outcome`](super::Meta::outcome)).
    pub outcome: &'static str,
    /// The `x-callsign-error` code, if callsign answered the request itself.
    pub code: Option<&'static str>,
    /// Usage, model, provider and generation as the response states them.
    pub seen: ResponseUsage,
    /// Microseconds from the request's head to the response's head.
    pub first_byte_us: Option<u64>,
    /// Microseconds from the request's head to the end of the response.
    pub duration_us: u64,
}

/// The response's kind. It decides the name of the response's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stream of server-sent events.
    Events,
    /// JSON, including callsign's own errors.
    #[default]
    Json,
    /// Any other content type, such as audio or an HTML error page.
    Other,
}

impl Kind {
    /// Returns the kind for a `content-type` value.
    pub(super) fn of(content_type: Option<&[u8]>) -> Self {
        let essence = content_type.unwrap_or_default().split(|&byte| byte == b';').next().unwrap_or_default();
        match essence.trim_ascii().to_ascii_lowercase().as_slice() {
            b"text/event-stream" => Self::Events,
            b"application/json" => Self::Json,
            other if other.ends_with(b"+json") => Self::Json,
            _ => Self::Other,
        }
    }

    /// Returns the name of the response's entry in the zip file.
    pub(super) fn entry(self) -> &'static str {
        match self {
            Self::Events => "response.sse",
            Self::Json => "response.json",
            Self::Other => "response.bin",
        }
    }
}

impl Begun {
    /// Returns the identifiers that form the archive's path. `fallback` replaces a missing chat or message.
    pub(super) fn named<'a>(&'a self, fallback: &'a str) -> Named<'a> {
        Named {
            tenant: self.row.labels.tenant.as_deref(),
            user: self.names.user.as_deref(),
            chat: self.names.chat.as_deref().unwrap_or(fallback),
            message: self.names.message.as_deref().unwrap_or(fallback),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_the_entry_name() {
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
