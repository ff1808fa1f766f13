//! Parses request paths so that no spelling of an exposed path can reach another path (`docs/SPEC.md#paths`).
//!
//! A path is split at `/`, then each segment is percent-decoded exactly once. Anything that a lenient server could
//! decode again, fold or normalise (`%25`, `\`, `..`, `//`, `;x`, control characters) is refused, not cleaned up.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::video::VideoPath;

/// The self-service path, outside of OpenRouter's base paths.
const ME: &str = "/callsign/v1/me";
/// Catalogue paths without variable segments. Their answers are lists, which are cached.
pub(super) const PLAIN_READS: [&str; 8] = [
    "models",
    "models/count",
    "providers",
    "embeddings/models",
    "images/models",
    "videos/models",
    "tools",
    "endpoints/zdr",
];
/// The list that `models` answers: OpenRouter would filter it by the preferences of the operator's account.
const MODELS_OF_USER: &str = "models/user";

/// A path after `/v1/` or `/api/v1/`, split and decoded.
pub(super) struct Path<'a> {
    raw: &'a str,
    segments: Vec<Cow<'a, str>>,
    /// True if any segment was percent-encoded.
    is_encoded: bool,
}

impl<'a> Path<'a> {
    /// Parses a raw request path. Returns `None` outside of both base paths, or if a segment is refused.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let raw = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/api/v1/"))?;
        let segments = raw.split('/').map(decode).collect::<Option<Vec<_>>>()?;
        let is_encoded = segments.iter().any(|segment| matches!(segment, Cow::Owned(_)));
        Some(Self { raw, segments, is_encoded })
    }

    /// Returns true if this is `path`, a path of the endpoint table.
    pub(super) fn is(&self, path: &str) -> bool {
        // Fast path: nearly all paths are unencoded.
        path == self.raw || (self.is_encoded && path.split('/').eq(self.segments.iter().map(AsRef::as_ref)))
    }

    /// Returns the path of a video job, if this is one.
    pub(super) fn video(&self) -> Option<VideoPath> {
        VideoPath::find(&self.segments)
    }

    /// Returns the catalogue path, if this is one.
    pub(super) fn reads(&self) -> Option<CataloguePath> {
        if let Some(plain) = PLAIN_READS.iter().find(|plain| self.is(plain)) {
            return Some(CataloguePath { name: plain, path: Cow::Borrowed(plain) });
        }
        if self.is(MODELS_OF_USER) {
            return Some(CataloguePath { name: "models", path: Cow::Borrowed("models") });
        }
        let segments: Vec<&str> = self.segments.iter().map(AsRef::as_ref).collect();
        let name = match segments.as_slice() {
            ["models", id] if is_model_id(id) => "models/{id}",
            ["models", author, slug, "endpoints"] if is_name(author) && is_name(slug) => {
                "models/{author}/{slug}/endpoints"
            }
            ["models", author, slug] if is_model_id(author) && is_name(author) && is_name(slug) => {
                "models/{author}/{slug}"
            }
            ["tools", name] if is_name(name) => "tools/{name}",
            ["model", author, slug] if is_name(author) && is_name(slug) => "model/{author}/{slug}",
            ["images", "models", author, slug, "endpoints"] if is_name(author) && is_name(slug) => {
                "images/models/{author}/{slug}/endpoints"
            }
            _ => return None,
        };
        Some(CataloguePath { name, path: Cow::Owned(self.raw.to_owned()) })
    }
}

/// A path of OpenRouter's public catalogue, readable with GET and HEAD (`docs/SPEC.md#catalogue-endpoints`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguePath {
    name: &'static str,
    path: Cow<'static, str>,
}

impl CataloguePath {
    /// Finds the catalogue path of a path below the base URL.
    pub fn find(below_base: &str) -> Option<Self> {
        Path::parse(&format!("/v1/{below_base}"))?.reads()
    }

    /// Returns true if the answer is a list, which is the same for all callers of an account.
    pub fn is_list(&self) -> bool {
        PLAIN_READS.contains(&self.name)
    }

    /// Returns the name in metrics and logs, with placeholders for variable segments; one of a fixed set.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the path to request upstream, after the base path, in the client's spelling.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Returns true for the self-service path.
pub(super) fn is_me(raw_path: &str) -> bool {
    raw_path == ME
}

/// Percent-decodes a segment once. Returns `None` for empty and dot segments (also after decoding `%2F`), `%`, `\`,
/// control characters and bytes that are not UTF-8.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    let plain = decoded.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !decoded.contains(|c: char| c.is_control() || matches!(c, '%' | '\\'));
    plain.then_some(decoded)
}

/// Returns true for an author or a slug. `/` (from `%2F`) is refused: a server that decodes before it splits would see
/// a different path.
fn is_name(text: &str) -> bool {
    is_plain(text) && !text.contains('/')
}

/// Returns true if `text` has only characters that occur in model names. This refuses characters that some servers
/// treat specially: `;`, spaces, non-ASCII look-alikes.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:@+/".contains(&byte))
}

/// Returns true for a model id. `user` is refused, because `models/user` lists the account's preferences.
fn is_model_id(text: &str) -> bool {
    is_plain(text) && !text.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case("user"))
}

/// Returns the number of leading `v1` segments, and the path after them without empty segments.
pub(super) fn normalised(raw_path: &str) -> (usize, String) {
    let mut segments = raw_path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let mut versions = 0;
    while let Some(segment) = segments.next_if(|segment| matches!(*segment, "v1" | "api")) {
        versions += usize::from(segment == "v1");
    }
    (versions, segments.collect::<Vec<_>>().join("/"))
}
