//! Attribution at a glance, for `serve`'s start and for `check`: which valves are on and what an identifier looks like.

use std::io::{self, Write};

use crate::config::Config;
use callsign_core::endpoint::{Fields, INFERENCE};
use callsign_core::identity::caller_identity::CallerIdentity;

/// A caller made up for showing.
pub const SAMPLE: CallerIdentity<'static> = CallerIdentity::SAMPLE;

/// What may be sent on `chat/completions`.
pub fn chat_fields() -> Fields {
    INFERENCE[0].fields
}

/// Prints one line about the valves, and one with a sample.
///
/// # Errors
/// Those of `out`.
pub fn print(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let policy = &config.tenants.operator;
    let (on, off): (Vec<_>, Vec<_>) = policy.valves.list().into_iter().partition(|valve| valve.on);
    let names = |valves: &[callsign_core::identity::valve::Valve]| {
        valves.iter().map(|valve| valve.variable).collect::<Vec<_>>().join(" ")
    };
    if on.is_empty() {
        return writeln!(
            out,
            "attribution OFF: all valves are off, so no identifier of a caller leaves (turn one on: SEND_END_USER_ID=true)"
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
