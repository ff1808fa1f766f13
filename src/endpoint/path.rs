//! Reads a request path so that no spelling of an exposed path can mean one that is not (contract, section 3).
//!
//! A path is split at `/`, then every segment is decoded exactly once. Whatever a lenient server might decode again,
//! fold or normalise (`%25`, `\`, `..`, `//`, `;x`, control characters) is refused here, not cleaned.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Where callers ask about themselves: a path of callsign's own, outside of OpenRouter's.
const ME: &str = "/callsign/v1/me";
/// Catalogue paths with no variable part.
const PLAIN_READS: [&str; 5] = ["models", "models/count", "providers", "embeddings/models", "images/models"];

/// A path behind `/v1/` or `/api/v1/`, split and decoded.
pub(super) struct Path<'a> {
    raw: &'a str,
    segments: Vec<Cow<'a, str>>,
    /// Whether anything was to decode.
    is_encoded: bool,
}

impl<'a> Path<'a> {
    /// `None` for a path outside both base paths or with a segment that is not plain.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let raw = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/api/v1/"))?;
        let segments = raw.split('/').map(decode).collect::<Option<Vec<_>>>()?;
        let is_encoded = segments.iter().any(|segment| matches!(segment, Cow::Owned(_)));
        Some(Self { raw, segments, is_encoded })
    }

    /// Whether it is this path of the table.
    pub(super) fn is(&self, path: &str) -> bool {
        // Nearly always nothing is encoded, and the raw path says it all.
        path == self.raw || (self.is_encoded && path.split('/').eq(self.segments.iter().map(AsRef::as_ref)))
    }

    /// The catalogue path that it names, if any.
    pub(super) fn reads(&self) -> Option<Reads> {
        if let Some(plain) = PLAIN_READS.iter().find(|plain| self.is(plain)) {
            return Some(Reads { name: plain, path: Cow::Borrowed(plain) });
        }
        let segments: Vec<&str> = self.segments.iter().map(AsRef::as_ref).collect();
        let name = match segments.as_slice() {
            ["models", id] if is_model_id(id) => "models/{id}",
            ["models", author, slug, "endpoints"] if is_name(author) && is_name(slug) => {
                "models/{author}/{slug}/endpoints"
            }
            ["model", author, slug] if is_name(author) && is_name(slug) => "model/{author}/{slug}",
            ["images", "models", author, slug, "endpoints"] if is_name(author) && is_name(slug) => {
                "images/models/{author}/{slug}/endpoints"
            }
            _ => return None,
        };
        Some(Reads { name, path: Cow::Owned(self.raw.to_owned()) })
    }
}

/// A path of OpenRouter's public catalogue: what GET and HEAD may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    name: &'static str,
    path: Cow<'static, str>,
}

impl Reads {
    /// The row of the table; one of a fixed set.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The path to ask the upstream for, behind its base path, spelled as it came.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Whether it is the path where callers ask about themselves.
pub(super) fn is_me(raw_path: &str) -> bool {
    raw_path == ME
}

fn decode(segment: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    let plain = decoded.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !decoded.contains(|c: char| c.is_control() || matches!(c, '%' | '\\'));
    plain.then_some(decoded)
}

/// An author or slug. An encoded slash would make a path of other parts of it for a server that decodes first.
fn is_name(text: &str) -> bool {
    is_plain(text) && !text.contains('/')
}

/// A part of a model's name. Stricter than the contract asks: everything that some server gives a meaning of its own to (`;`,
/// blanks, non-ASCII look-alikes) is in no model's name.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:@+/".contains(&byte))
}

/// A model id, but never `user`: `models/user` lists the account's own preferences.
fn is_model_id(text: &str) -> bool {
    is_plain(text) && !text.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case("user"))
}
