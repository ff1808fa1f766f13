//! Reads generation, model, provider, tokens, cost and error from a response as it passes.
//!
//! [`UsageReader::see`] gets the relayed bytes in pieces of any size and stores only the few values that matter. The
//! response's `content-type` selects one of two readers:
//!
//! ```text
//! application/json   ───────────► members ─► accumulator ─► ResponseUsage     one document
//! text/event-stream  ─► stream ─► members ─► accumulator ─► ResponseUsage     one document per event
//! anything else, or compressed: nothing is read; its first byte is output
//! ```
//!
//! `members` reads a JSON text without storing it; the members that it looks for are a table in `shape`. So memory
//! stays under 2 KiB, also if `usage` follows megabytes of `data`. `stream` splits lines and skips complete events
//! without relevant members. This module must not change or delay a response, or store the text of prompts and replies.

mod accumulator;
mod failure;
mod figures;
mod members;
mod near;
mod response_usage;
mod seen;
mod shape;
mod stream;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use self::accumulator::Accumulator;
use self::failure::LastEvent;
use self::figures::TokenConvention;
use self::members::Members;
pub use self::response_usage::ResponseUsage;
pub use self::seen::Seen;
use self::stream::Stream;
use crate::endpoint::{Dialect, Inference};

/// The reader of one response.
#[derive(Debug)]
pub struct UsageReader {
    reading: Reading,
    convention: TokenConvention,
}

#[derive(Debug)]
enum Reading {
    /// No readable format. True after the first byte.
    Bytes(bool),
    /// One JSON document.
    Document(Box<Document>),
    /// Server-sent events.
    Events(Box<Stream>),
}

#[derive(Debug, Default)]
struct Document {
    members: Members,
    found: Accumulator,
    is_whole: bool,
}

impl UsageReader {
    /// Creates the reader for a response of `endpoint` with these headers. It reads only uncompressed JSON and
    /// server-sent events: by `content-type`, without a `content-encoding` other than `identity`.
    pub fn new(endpoint: &Inference, headers: &HeaderMap) -> Self {
        let plain =
            headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let (convention, last) = match endpoint.dialect {
            Dialect::Anthropic => (TokenConvention::CachedApart, LastEvent::MessageStop),
            Dialect::OpenAi if endpoint.path == "responses" => (TokenConvention::CachedWithin, LastEvent::Response),
            Dialect::OpenAi => (TokenConvention::CachedWithin, LastEvent::Done),
        };
        let reading = if !plain {
            Reading::Bytes(false)
        } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
            Reading::Events(Box::new(Stream::new(last)))
        } else if is_json(essence) {
            Reading::Document(Box::default())
        } else {
            Reading::Bytes(false)
        };
        Self { reading, convention }
    }

    /// Returns true if the body is one JSON document whose end has not been read.
    pub fn is_in_document(&self) -> bool {
        matches!(&self.reading, Reading::Document(document) if !document.is_whole)
    }

    /// Reads the next bytes of the body.
    pub fn see(&mut self, bytes: &[u8]) -> Seen {
        match &mut self.reading {
            Reading::Bytes(has_output) => {
                let first_output =
                    !bytes.is_empty() && !std::mem::replace(has_output, *has_output || !bytes.is_empty());
                Seen { first_output, final_at: None }
            }
            Reading::Document(document) => document.see(bytes),
            Reading::Events(stream) => stream.see(bytes),
        }
    }

    /// Returns the values that were read, also if the body broke off. Of an incomplete document the complete members
    /// count; an incomplete event does not count.
    pub fn finish(self) -> ResponseUsage {
        match self.reading {
            Reading::Bytes(has_output) => ResponseUsage { has_output, ..ResponseUsage::default() },
            Reading::Document(document) => {
                ResponseUsage { is_whole: document.is_whole, ..document.found.into_usage(self.convention) }
            }
            Reading::Events(stream) => {
                ResponseUsage { is_whole: stream.is_whole(), ..stream.into_accumulator().into_usage(self.convention) }
            }
        }
    }
}

impl Document {
    fn see(&mut self, bytes: &[u8]) -> Seen {
        let had_output = self.found.has_output();
        let final_at = self.members.feed(bytes, &mut self.found);
        self.is_whole |= final_at.is_some();
        Seen { first_output: !had_output && self.found.has_output(), final_at }
    }
}

/// Returns true for `application/json` and types with the suffix `+json` (RFC 6839).
fn is_json(essence: &[u8]) -> bool {
    let ends_with = |suffix: &[u8]| {
        essence
            .len()
            .checked_sub(suffix.len())
            .and_then(|at| essence.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    ends_with(b"/json") || ends_with(b"+json")
}

#[cfg(test)]
mod tests;
