//! Names the setting that wrote an identifier, and the reason for which one was omitted.

use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::{Omission, Policy, Reason};

/// Returns the setting that writes this member of the body or of `metadata`.
pub(super) fn writer(member: &str, policy: &Policy, sources: &CallerIdentity<'_>) -> &'static str {
    match member {
        "user" | "user_id" | "safety_identifier" if sources.user.is_none() => "CALLSIGN_MISSING_USER",
        "user" | "user_id" | "safety_identifier" => "SEND_END_USER_ID",
        "session_id" if policy.valves.cache_session => "SEND_CACHE_SESSION_ID",
        "session_id" => "SEND_SESSION_ID",
        "trace" => "SEND_TRACE",
        other => pair_writer(other),
    }
}

/// Returns the setting that writes this pair of `metadata`.
pub(super) fn pair_writer(name: &str) -> &'static str {
    match name {
        "session_id" => "SEND_SESSION_ID",
        "chat_id" => "SEND_CHAT_ID",
        "message_id" => "SEND_MESSAGE_ID",
        _ => "[metadata]",
    }
}

/// Returns the omitted field and the reason.
pub(super) fn omission(omission: Omission) -> (&'static str, &'static str) {
    let why = match omission.reason {
        Reason::NoSource => "the caller has no value for it",
        Reason::TooLong => "longer than the limit; identifiers are not truncated",
        Reason::Invalid => "OpenRouter would refuse this pair",
        Reason::TooManyPairs => "metadata already has 16 pairs",
        Reason::NotAscii => "not visible ASCII, which a header requires",
    };
    (omission.field, why)
}
