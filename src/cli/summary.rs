//! A summary of attribution for the start of `serve` and for `check`: the open valves and a sample identifier.

use std::io::{self, Write};

use crate::config::Config;
use callsign_core::endpoint::{Fields, INFERENCE};
use callsign_core::identity::caller_identity::CallerIdentity;

/// The sample caller.
pub const SAMPLE: CallerIdentity<'static> = CallerIdentity::SAMPLE;

/// Returns the identifier fields of `chat/completions`.
pub fn chat_fields() -> Fields {
    INFERENCE[0].fields
}

/// Prints one line about the valves and one with a sample.
///
/// # Errors
/// I/O errors of `out`.
pub fn print(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let policy = &config.tenants.operator;
    let (on, off): (Vec<_>, Vec<_>) = policy.valves.list().into_iter().partition(|valve| valve.on);
    let names = |valves: &[callsign_core::identity::valve::Valve]| {
        valves.iter().map(|valve| valve.variable).collect::<Vec<_>>().join(" ")
    };
    if on.is_empty() {
        return writeln!(
            out,
            "attribution OFF: all valves are off, so no identifier is sent (set SEND_END_USER_ID=true to send user ids)"
        );
    }
    writeln!(
        out,
        "attribution on: {}{}",
        names(&on),
        if off.is_empty() { String::new() } else { format!(" (off: {})", names(&off)) }
    )?;
    let sample = match policy.identify(&SAMPLE, &[], chat_fields()) {
        Ok(identifiers) => identifiers.members(),
        Err(_) => String::new(),
    };
    let user = SAMPLE.user.unwrap_or_default();
    writeln!(out, "sample: user {user} is sent as {{{sample}}}")
}
