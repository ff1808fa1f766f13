//! The session headers that clients send by themselves (coding agents above all). Chosen by the client, so they are
//! dropped, or used bound to the caller; never as they came (contract, section 3, "Binding").

use http::HeaderMap;

/// In order of preference. The two names with `_` are the only ones of that kind that are ever read.
pub const HEADERS: [&str; 8] = [
    "x-session-id",
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "thread-id",
    "conversation_id",
    "agent-session-id",
    "x-session-affinity",
];

/// The value of the first of [`HEADERS`] that is present and means something.
pub fn find(headers: &HeaderMap) -> Option<&str> {
    HEADERS.iter().find_map(|name| super::forwarded::meaning(headers.get(*name)?.as_bytes()))
}
