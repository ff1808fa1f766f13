//! `callsign block` and `unblock`: blocks a user, removes a block, lists blocks.
//!
//! The commands change the list in its place, where running servers read it, and say which servers have applied the
//! change. No server needs to run.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::Value;

use super::args::{Block, Unblock};
use super::operator_state::{Known, Opened, refused, tell_person};
use super::{Exit, actor};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::limits::blocks;
use callsign_store::limits::operator_state::OperatorState;
use callsign_store::limits::orders::block::{self as order, Order};
use callsign_store::limits::orders::results;

/// Runs `callsign block`.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn block(
    config: &Config,
    args: &Block,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(mut opened) = Opened::open(config, err).await? else { return Ok(Exit::Failure) };
    let Some(id) = args.id.as_ref().filter(|_| !args.list) else {
        return print(&opened.state, args.form.is_json(), out);
    };
    let known = Known::of(config);
    let order = Order {
        id: id.clone(),
        tenant: args.tenant.clone(),
        time: args.time,
        reason: args.reason.clone(),
        cut: args.cut,
        unseen: args.unseen,
        user_id: args.user_id,
        by: actor::name(),
    };
    match order::block(&opened.state, known.knowledge(), order).await {
        Ok(blocked) if args.form.is_json() => {
            opened.commit(blocked.generation, Some(results::blocked(&blocked)), out, err).await
        }
        Ok(blocked) => {
            tell_person(id, &blocked.block.id, blocked.unchecked.as_ref(), out, err)?;
            writeln!(out, "blocked {}", line(&blocked.block))?;
            opened.commit(blocked.generation, None, out, err).await
        }
        Err(error) => refused(&error, err),
    }
}

/// Runs `callsign unblock`.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn unblock(
    config: &Config,
    args: &Unblock,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(mut opened) = Opened::open(config, err).await? else { return Ok(Exit::Failure) };
    let known = Known::of(config);
    let (tenant, by) = (args.tenant.as_deref(), actor::name());
    match order::unblock(&opened.state, known.knowledge(), &args.id, tenant, &by).await {
        Ok((0, _)) => {
            writeln!(err, "callsign: {} is not blocked; see callsign block --list", printable(&args.id))?;
            Ok(Exit::Failure)
        }
        Ok((lifted, generation)) if args.form.is_json() => {
            opened.commit(generation, Some(results::unblocked(&args.id, lifted)), out, err).await
        }
        Ok((_, generation)) => {
            writeln!(out, "unblocked {}", printable(&args.id))?;
            opened.commit(generation, None, out, err).await
        }
        Err(error) => refused(&error, err),
    }
}

fn print(state: &OperatorState, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let now = Timestamp::now();
    let mut blocks = state.blocks();
    blocks.retain(|block| block.holds(now));
    blocks.sort_by(|a, b| a.since.cmp(&b.since).then_with(|| a.id.cmp(&b.id)));
    if json {
        writeln!(out, "{:#}", blocks.iter().map(results::block).collect::<Value>())?;
        return Ok(Exit::Success);
    }
    if blocks.is_empty() {
        writeln!(out, "No user is blocked.")?;
    }
    for block in &blocks {
        writeln!(out, "{}", line(block))?;
    }
    Ok(Exit::Success)
}

/// Formats a block as one line.
fn line(block: &blocks::Block) -> String {
    let tenant = match block.tenant.as_deref() {
        None => " in any tenant".to_owned(),
        Some("") => String::new(),
        Some(tenant) => format!(" of tenant {}", printable(tenant)),
    };
    let until = block.until.map_or("permanently".to_owned(), |until| format!("until {until:.0}"));
    let cut = if block.cut { ", running responses aborted" } else { "" };
    let forgotten = if block.forgotten { " (a forgotten user)" } else { "" };
    let reason = block.reason.as_ref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    format!("{}{forgotten}{tenant} since {:.0} {until}{cut}{reason}", printable(&block.id), block.since)
}
