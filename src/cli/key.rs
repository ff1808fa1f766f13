//! `callsign key create`, `rotate` and `revoke`: keys in the database (docs/SPEC.md#key-commands).
//!
//! A new key is printed alone on the standard output, or as a member of one JSON object. Everything else goes to the
//! standard error.

use std::io::{self, Write};
use std::time::Duration;

use super::args::{CreateKey, KeyCommand};
use super::operator_state::Opened;
use super::{Exit, actor, key_import, key_list, key_print};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::limits::orders::key::{self as order, Configured, Create, For, KeyOrderError, NewKey};
use callsign_store::limits::orders::results;

/// The act of `key create`, for messages.
const CREATED: &str = "created";

/// Runs a subcommand of `callsign key`.
///
/// # Errors
/// I/O errors of `out` and `err`, and errors of the system's random source.
pub(super) async fn run(
    config: &Config,
    command: &KeyCommand,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match command {
        KeyCommand::Create(args) if args.print_only => {
            key_print::print(config, &args.holder, args.form.is_json(), out, err)
        }
        KeyCommand::Create(args) => create(config, args, out, err).await,
        KeyCommand::Rotate { name, overlap, form } => rotate(config, (name, *overlap), form.is_json(), out, err).await,
        KeyCommand::Revoke { name, cut, form } => revoke(config, (name, *cut), form.is_json(), out, err).await,
        KeyCommand::Import(asked) => key_import::run(config, asked, out, err).await,
        KeyCommand::List { format } => key_list::print(config, *format, out, err).await,
    }
}

async fn create(config: &Config, args: &CreateKey, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let CreateKey { holder, name, tenant, expires, limits, from, print_only: _, form } = args;
    let Some(mut opened) = Opened::open_shared(config, err).await? else { return Ok(Exit::Failure) };
    let of = match (&holder.user, &holder.app) {
        (Some(user), _) => For::User(user.clone()),
        (None, app) => For::App(app.clone().unwrap_or_default(), holder.preset.clone()),
    };
    let order = Create {
        of,
        name: name.clone(),
        tenant: tenant.clone(),
        expires: *expires,
        limits: limits.clone(),
        from: from.clone(),
        by: actor::name(),
    };
    let configured = Configured {
        callers: &config.callers,
        tenants: &config.tenants,
        operator_pays: config.upstream.api_key.is_some(),
    };
    match order::create(&opened.state, configured, order) {
        Ok(new) => finish(&mut opened, &new, (CREATED, form.is_json()), out, err).await,
        Err(error) => refused(&error, err),
    }
}

async fn rotate(
    config: &Config,
    (name, overlap): (&str, Duration),
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(mut opened) = Opened::open_shared(config, err).await? else { return Ok(Exit::Failure) };
    match order::rotate(&opened.state, name, overlap, &actor::name()) {
        Ok(new) => finish(&mut opened, &new, ("rotated", json), out, err).await,
        Err(error) => refused(&error, err),
    }
}

async fn revoke(
    config: &Config,
    (name, cut): (&str, bool),
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(mut opened) = Opened::open(config, err).await? else { return Ok(Exit::Failure) };
    match opened.state.revoke_key(name, cut, &actor::name()) {
        Ok(generation) if json => opened.commit(generation, Some(results::revoked(name, cut)), out, err).await,
        Ok(generation) => {
            writeln!(out, "revoked {}", printable(name))?;
            opened.commit(generation, None, out, err).await
        }
        Err(error) => refused(&error.into(), err),
    }
}

/// Stores a new key and prints it.
async fn finish(
    opened: &mut Opened,
    new: &NewKey,
    (done, json): (&str, bool),
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let told = opened.told(new.generation).await;
    if let Err(error) = new.confirm(&opened.state, &told) {
        // The place gets the withdrawal if it answers again. A rotation is not withdrawn, and nobody has its key.
        if done == CREATED {
            let _told = opened.told(u64::MAX).await;
        }
        return refused(&error, err);
    }
    if json {
        let mut result = results::new_key(new);
        results::acknowledge(&mut result, &told);
        writeln!(out, "{result:#}")?;
    } else {
        shown(new, done, out, err)?;
    }
    // The key is printed, so a server that is late is no failure.
    if !json || !told.late.is_empty() {
        Opened::tell(&told, err)?;
    }
    Ok(Exit::Success)
}

/// Prints a new key alone on `out`, and what to know about it on `err`.
fn shown(new: &NewKey, done: &str, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", new.key.expose())?;
    let row = &new.row;
    let until = row.expires.map_or("does not end".to_owned(), |end| format!("ends at {end:.0}"));
    writeln!(err, "{done} the key {}, which {until}. It is shown only once.", printable(&row.name))?;
    if row.holder.preset.is_some() && done == CREATED {
        writeln!(
            err,
            "CALLSIGN_MISSING_USER=reject refuses requests in which the app names no user; it is recommended."
        )?;
    }
    Ok(())
}

fn refused(error: &KeyOrderError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {}", printable(&error.to_string()))?;
    Ok(Exit::Failure)
}
