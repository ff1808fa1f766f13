//! Says in words which setting wrote an identifier, and why one was left out.

use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::{Omission, Policy, Reason};

/// The setting by which `member` of the body (or of `metadata`) is written.
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

/// The setting by which a pair of `metadata` is written.
pub(super) fn pair_writer(name: &str) -> &'static str {
    match name {
        "session_id" => "SEND_SESSION_ID",
        "chat_id" => "SEND_CHAT_ID",
        "message_id" => "SEND_MESSAGE_ID",
        _ => "[metadata]",
    }
}

/// What was left out and why, for a caller whom nothing else is said about.
pub(super) fn omission(omission: Omission) -> (&'static str, &'static str) {
    let why = match omission.reason {
        Reason::NoSource => "the caller brings nothing for it",
        Reason::TooLong => "longer than OpenRouter may be given, and never cut",
        Reason::Invalid => "OpenRouter would refuse this pair",
        Reason::TooManyPairs => "there are sixteen pairs already",
        Reason::NotAscii => "not visible ASCII, and here it would travel in a header",
    };
    (omission.field, why)
}
