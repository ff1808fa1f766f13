//! `callsign id`: prints the identifier fields of a request as they would be sent.

use std::io::{self, Write};

use super::identity_args::{self, Person};
use super::{Exit, labels};
use crate::config::Config;
use callsign_core::endpoint::Inference;
use callsign_core::identity::Reason;

/// Prints one JSON object on `out`, and notes about omitted identifiers on `err`.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) fn print(
    config: &Config,
    person: Person<'_>,
    endpoint: &Inference,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(policy) = identity_args::policy_of(config, person, err)? else { return Ok(Exit::Failure) };
    person.note_unusable(config, err)?;
    let sources = person.sources();
    let identifiers = match policy.identify(&sources, &[], endpoint.fields) {
        Ok(identifiers) => identifiers,
        Err(required) => {
            writeln!(err, "callsign: 403 user_required: {required}")?;
            return Ok(Exit::Failure);
        }
    };
    for (field, why) in
        identifiers.omitted.iter().filter(|o| o.reason != Reason::NoSource).map(|o| labels::omission(*o))
    {
        writeln!(err, "callsign: {field} is not sent: {why}")?;
    }
    if !policy.valves.any() {
        writeln!(err, "callsign: all valves are off, so no identifier is sent; set SEND_END_USER_ID=true")?;
    }
    writeln!(out, "{}", serde_json::to_string_pretty(&identifiers.to_json())?)?;
    Ok(Exit::Success)
}
