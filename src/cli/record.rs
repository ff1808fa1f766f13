//! Rows of the audit log for commands that change nothing in the state, or that erase a person
//! (docs/SPEC.md#audit-log).

use std::io::{self, Write};

use super::actor;
use super::operator_state::Opened;
use crate::config::Config;
use callsign_store::limits::acts::{Act, Verb};
use callsign_store::limits::operator_state::acts::Names;
use callsign_store::person::Person;

/// Records an act about a person. Returns false, with the reason on `err`, if the command must not go on.
///
/// # Errors
/// I/O errors of `err`.
pub(super) async fn record(
    config: &Config,
    verb: Verb,
    person: &Person,
    detail: Option<String>,
    err: &mut impl Write,
) -> io::Result<bool> {
    let act = act(verb, person, detail);
    Opened::record(config, |state| state.record(&act), err).await
}

/// Records a live test of this person's identifiers, with its generation id. Returns as [`record`] does.
///
/// # Errors
/// I/O errors of `err`.
pub(super) async fn live_test(
    config: &Config,
    person: &Person,
    generation: &str,
    err: &mut impl Write,
) -> io::Result<bool> {
    let act = Act::live_test(&actor::name(), person, generation);
    Opened::record(config, |state| state.record(&act), err).await
}

/// Replaces a person's names in the state by digests, and records that. `names` are the user id and the identifiers that
/// were sent. Returns false, with the reason on `err`, if the command must not go on.
///
/// # Errors
/// I/O errors of `err`.
pub(super) async fn forget(
    config: &Config,
    person: &Person,
    names: &[String],
    err: &mut impl Write,
) -> io::Result<bool> {
    let act = act(Verb::Forget, person, None);
    let names = Names { all: names, tenant: person.tenant.as_deref() };
    Opened::record(config, |state| state.forget(names, &act).1, err).await
}

fn act(verb: Verb, person: &Person, detail: Option<String>) -> Act {
    Act::about(verb, &actor::name(), person, detail)
}
