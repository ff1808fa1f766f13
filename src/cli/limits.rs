//! `callsign limits show`, `set` and `reset`: a user's limits, and those that operators set while callsign runs
//! (docs/SPEC.md#run-time-limits).

mod show;

use std::io::{self, Write};

use super::args::{LimitsCommand, SetLimits};
use super::operator_state::{Known, Opened, refused, tell_person};
use super::{Exit, actor};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::limits::Rules;
use callsign_store::limits::orders::OrderError;
use callsign_store::limits::orders::limit::{self as order, Changed, Order};
use callsign_store::limits::orders::results;

/// Runs a subcommand of `callsign limits`.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    command: &LimitsCommand,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match command {
        LimitsCommand::Show { user, tenant, format } => {
            show::show(config, (user, tenant.as_deref()), format == "json", out, err).await
        }
        LimitsCommand::Set(args) => set(config, args, out, err).await,
        LimitsCommand::Reset { user, tenant, form } => {
            reset(config, (user, tenant.as_deref()), form.is_json(), out, err).await
        }
    }
}

async fn set(config: &Config, args: &SetLimits, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(mut opened) = Opened::open(config, err).await? else { return Ok(Exit::Failure) };
    let order = Order {
        id: args.user.clone(),
        tenant: args.tenant.clone(),
        values: args.values.clone(),
        time: args.time,
        by: actor::name(),
        unseen: args.unseen,
        user_id: args.user_id,
    };
    let known = Known::of(config);
    let changed = order::set(&opened.state, &Rules::new(&config.limits), known.knowledge(), order).await;
    finish(&mut opened, (&args.user, args.form.is_json()), changed, out, err).await
}

async fn reset(
    config: &Config,
    (user, tenant): (&str, Option<&str>),
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(mut opened) = Opened::open(config, err).await? else { return Ok(Exit::Failure) };
    let known = Known::of(config);
    let changed = order::reset(&opened.state, known.knowledge(), user, tenant, &actor::name()).await;
    if let Ok(Changed { person, removed: 0, .. }) = &changed {
        writeln!(err, "callsign: {} has no run-time limits; see callsign limits show", printable(&person.user))?;
        return Ok(Exit::Failure);
    }
    finish(&mut opened, (user, json), changed, out, err).await
}

/// Prints a change and stores it.
async fn finish(
    opened: &mut Opened,
    (named, json): (&str, bool),
    changed: Result<Changed, OrderError>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let changed = match changed {
        Ok(changed) => changed,
        Err(error) => return refused(&error, err),
    };
    if json {
        return opened.commit(changed.generation, Some(results::changed(&changed)), out, err).await;
    }
    let Changed { person, set, removed, generation, unchecked } = changed;
    tell_person(named, &person.user, unchecked.as_ref(), out, err)?;
    for one in &set {
        writeln!(out, "{}: {one}", printable(&person.user))?;
    }
    if removed > 0 {
        writeln!(out, "{}: {removed} returned to what is configured", printable(&person.user))?;
    }
    opened.commit(generation, None, out, err).await
}
