//! OpenRouter's id of an answer, which comes with the head (OpenRouter docs, "Streaming").

use http::HeaderMap;

const HEADER: &str = "x-generation-id";
/// The longest that is taken over from outside.
const LONGEST: usize = 256;

/// The id that an answer's head tells.
pub fn told(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER).and_then(|id| id.to_str().ok()).filter(|id| fits(id))
}

/// Whether it has the length of an id.
pub fn fits(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
}
