//! The tap: what an answer says about itself (generation, model, provider, tokens, cost, error), seen as it passes.
//!
//! [`UsageReader::see`] looks at the same bytes that were relayed, in whatever pieces they came, and keeps none of them but the
//! few values that matter. Two readers, chosen by the answer's `content-type`:
//!
//! ```text
//! application/json   ──────────────► members ─► told ─► ResponseUsage     one document
//! text/event-stream  ─► stream ────► members ─► told ─► ResponseUsage     one document per event
//! anything else, or compressed: nothing is seen
//! ```
//!
//! `members` walks a JSON text without keeping it (the shapes that it knows are a table in `shape`), so memory is bounded
//! by a constant (about 2 KiB) and it does not matter whether `usage` stands before or after megabytes of `data`.
//! `stream` splits lines and passes over whole events in which nothing can matter. Nothing in here judges an answer,
//! changes or delays it, or knows tokio and hyper. Text of prompts and replies is never kept.

mod members;
mod near;
mod response_usage;
mod shape;
mod stream;
mod told;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use self::members::Members;
pub use self::response_usage::ResponseUsage;
use self::stream::Stream;
use self::told::{Accumulator, TokenConvention};
use crate::endpoint::{Dialect, Inference};

/// Watches one answer.
#[derive(Debug)]
pub struct UsageReader {
    reading: Reading,
    sums: TokenConvention,
}

#[derive(Debug)]
enum Reading {
    /// Nothing that can be read.
    Nothing,
    /// One JSON document.
    Document(Box<(Members, Accumulator)>),
    /// Server-sent events.
    Events(Box<Stream>),
}

impl UsageReader {
    /// For an answer of `endpoint` with these headers. Without a `content-type` of JSON or server-sent events, or with
    /// any `content-encoding` but `identity`, it sees nothing, and costs nothing.
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
        let sums = if endpoint.dialect == Dialect::Anthropic {
            TokenConvention::CachedApart
        } else {
            TokenConvention::CachedWithin
        };
        Self { reading, sums }
    }

    /// Looks at the next bytes of the body.
    pub fn see(&mut self, bytes: &[u8]) {
        match &mut self.reading {
            Reading::Nothing => {}
            Reading::Document(document) => {
                document.0.feed(bytes, &mut document.1);
            }
            Reading::Events(stream) => stream.see(bytes),
        }
    }

    /// What was seen, whether the body ended or broke off. Of a document that broke off, the members that were whole
    /// count; of an event that did, none.
    pub fn finish(self) -> ResponseUsage {
        match self.reading {
            Reading::Nothing => ResponseUsage::default(),
            Reading::Document(document) => document.1.into_seen(self.sums),
            Reading::Events(stream) => stream.into_told().into_seen(self.sums),
        }
    }
}

/// `application/json`, and what is built on it (RFC 6839).
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
