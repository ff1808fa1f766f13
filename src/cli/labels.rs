//! Names the setting that wrote an identifier, and the reason for which one was omitted.

use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::identifier::{Identifier, IdentifierRow};
use callsign_core::identity::valve::TRACE;
use callsign_core::identity::{Omission, Policy, Reason};

/// The setting of a static metadata pair.
const STATIC_PAIR: &str = "[metadata]";

/// Returns the setting that writes this member of the body or of `metadata`.
pub(super) fn writer(member: &str, policy: &Policy, sources: &CallerIdentity<'_>) -> &'static str {
    let row = IdentifierRow::of_member(member).or_else(|| IdentifierRow::of_metadata(member));
    match row.map(|row| row.identifier) {
        Some(Identifier::User) if sources.user.is_none() => "CALLSIGN_MISSING_USER",
        Some(Identifier::Session) if policy.valves[Identifier::CacheSession] => {
            Identifier::CacheSession.row().valve.variable
        }
        Some(identifier) => identifier.row().valve.variable,
        None if member == "trace" => TRACE.variable,
        None => STATIC_PAIR,
    }
}

/// Returns the setting that writes this pair of `metadata`.
pub(super) fn pair_writer(name: &str) -> &'static str {
    IdentifierRow::of_metadata(name).map_or(STATIC_PAIR, |row| row.valve.variable)
}

/// Returns the omitted field and the reason.
pub(super) fn omission(omission: Omission) -> (&'static str, &'static str) {
    let why = match omission.reason {
        Reason::NoSource => "the caller has no value for it",
        Reason::TooLong => "longer than the limit; identifiers are not truncated",
        Reason::Invalid => "OpenRouter would refuse this pair",
        Reason::TooManyPairs => "metadata already has 16 pairs",
    };
    (omission.field(), why)
}
