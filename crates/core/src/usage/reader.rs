//! Reads generation, model, provider, tokens, cost and error from a response as it passes.
//!
//! [`UsageReader::see`] gets the relayed bytes in pieces of any size and stores only the few values that matter. The
//! response's `content-type` selects one of two readers:
//!
//! ```text
//! application/json   ───────────► members ─► accumulator ─► ResponseUsage     one document
//! text/event-stream  ─► stream ─► members ─► accumulator ─► ResponseUsage     one document per event
//! anything else, or compressed: nothing is read
//! ```
//!
//! `members` reads a JSON text without storing it; the members that it looks for are a table in `shape`. So memory
//! stays under 2 KiB, also if `usage` follows megabytes of `data`. `stream` splits lines and skips complete events
//! without relevant members. This module must not change or delay a response, or store the text of prompts and replies.

mod accumulator;
mod members;
mod near;
mod response_usage;
mod shape;
mod stream;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use self::accumulator::{Accumulator, TokenConvention};
use self::members::Members;
pub use self::response_usage::ResponseUsage;
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
    /// No readable format.
    Nothing,
    /// One JSON document.
    Document(Box<(Members, Accumulator)>),
    /// Server-sent events.
    Events(Box<Stream>),
}

impl UsageReader {
    /// Creates the reader for a response of `endpoint` with these headers. It reads only uncompressed JSON and
    /// server-sent events: by `content-type`, without a `content-encoding` other than `identity`.
    pub fn new(endpoint: &Inference, headers: &HeaderMap) -> Self {
        let plain =
            headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let reading = if !plain {
            Reading::Nothing
        } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
            Reading::Events(Box::default())
        } else if is_json(essence) {
            Reading::Document(Box::default())
        } else {
            Reading::Nothing
        };
        let convention = if endpoint.dialect == Dialect::Anthropic {
            TokenConvention::CachedApart
        } else {
            TokenConvention::CachedWithin
        };
        Self { reading, convention }
    }

    /// Reads the next bytes of the body.
    pub fn see(&mut self, bytes: &[u8]) {
        match &mut self.reading {
            Reading::Nothing => {}
            Reading::Document(document) => {
                document.0.feed(bytes, &mut document.1);
            }
            Reading::Events(stream) => stream.see(bytes),
        }
    }

    /// Returns the values that were read, also if the body broke off. Of an incomplete document the complete members
    /// count; an incomplete event does not count.
    pub fn finish(self) -> ResponseUsage {
        match self.reading {
            Reading::Nothing => ResponseUsage::default(),
            Reading::Document(document) => document.1.into_usage(self.convention),
            Reading::Events(stream) => stream.into_accumulator().into_usage(self.convention),
        }
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
