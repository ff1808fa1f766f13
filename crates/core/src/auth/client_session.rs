//! Session headers that clients, mostly coding agents, send on their own.
//!
//! A client can choose any value. So the value is dropped or bound to the caller, and not forwarded unchanged
//! (`docs/SPEC.md#client-sessions`).

use http::HeaderMap;

/// The header names, in order of preference. No other header with `_` in its name is read.
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

/// Returns the value of the first of [`HEADERS`] that is present and usable.
pub fn find(headers: &HeaderMap) -> Option<&str> {
    HEADERS.iter().find_map(|name| super::identity_header::usable(headers.get(*name)?.as_bytes()))
}
