//! OpenRouter's generation id, which it sends in a response header (OpenRouter docs, "Streaming").

use http::HeaderMap;

use crate::identity::longest;

const HEADER: &str = "x-generation-id";

/// Returns the generation id in a response's headers, if present and of accepted length.
pub fn id(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER).and_then(|id| id.to_str().ok()).filter(|id| fits(id))
}

/// Returns true if `id` has an accepted length.
pub fn fits(id: &str) -> bool {
    (1..=longest::EXTERNAL_NAME).contains(&id.len())
}
