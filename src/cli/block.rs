//! `callsign block` and `unblock`: blocks a user, removes a block, lists blocks.
//!
//! The commands change the list in the shared store or the data directory, where running callsigns read it. No server
//! needs to run.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;

use super::Exit;
use super::args::{Block, Unblock};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::ledger::Reader;
use callsign_store::limits::Link;
use callsign_store::limits::blocks;
use callsign_store::limits::blocks::order::{self, Knowledge, Order};
use callsign_store::limits::blocks::shelf::Shelf;

/// Opens the list of blocks that callsigns with this configuration read. Returns `None`, with the reason on `err`, if
/// there is none.
async fn shelf(config: &Config, err: &mut impl Write) -> io::Result<Option<Shelf>> {
    let link = match &config.limits.store {
        None => None,
        Some(url) => match Link::new(url) {
            Ok(link) => Some(Arc::new(link)),
            Err(_) => return refuse(err, "CALLSIGN_LIMIT_STORE is not usable; expected a redis:// URL"),
        },
    };
    if let Some(link) = &link
        && link.dial().await.is_err()
    {
        return refuse(err, "the store in CALLSIGN_LIMIT_STORE does not answer; check that it runs and can be reached");
    }
    let shelf = Shelf::new(link, config.ledger.data_dir.as_deref());
    if shelf.is_shared() {
        return Ok(Some(shelf));
    }
    let why = "no list of blocks is shared with a server: set CALLSIGN_DATA_DIR or CALLSIGN_LIMIT_STORE to the \
               server's value, set `blocked = true` in [[users]], or use the admin API";
    refuse(err, why)
}

fn refuse<T>(err: &mut impl Write, why: &str) -> io::Result<Option<T>> {
    writeln!(err, "callsign: {why}")?;
    Ok(None)
}

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
    let Some(shelf) = shelf(config, err).await? else { return Ok(Exit::Failure) };
    let Some(id) = args.id.as_ref().filter(|_| !args.list) else { return list(&shelf, out, err).await };
    let reader = Reader::open(&config.ledger).ok();
    let knowledge = Knowledge { reader: reader.as_ref(), org_id: config.upstream.org_id.clone() };
    let order = Order {
        id: id.clone(),
        tenant: args.tenant.clone(),
        time: args.time,
        reason: args.reason.clone(),
        cut: args.cut,
    };
    match order::block(&shelf, knowledge, order).await {
        Ok((block, _)) => {
            if block.id != *id {
                writeln!(out, "{} was sent for the user {}", printable(id), printable(&block.id))?;
            }
            writeln!(out, "blocked {}", line(&block))?;
            Ok(Exit::Success)
        }
        Err(error) => failed(&error, err),
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
    let Some(shelf) = shelf(config, err).await? else { return Ok(Exit::Failure) };
    let reader = Reader::open(&config.ledger).ok();
    let knowledge = Knowledge { reader: reader.as_ref(), org_id: config.upstream.org_id.clone() };
    match order::unblock(&shelf, knowledge, &args.id, args.tenant.as_deref()).await {
        Ok((_, 0)) => {
            writeln!(err, "callsign: {} is not blocked; see callsign block --list", printable(&args.id))?;
            Ok(Exit::Failure)
        }
        Ok(_) => {
            writeln!(out, "unblocked {}", printable(&args.id))?;
            Ok(Exit::Success)
        }
        Err(error) => failed(&error, err),
    }
}

async fn list(shelf: &Shelf, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let now = Timestamp::now();
    match shelf.list().await {
        Ok(mut blocks) => {
            blocks.retain(|block| block.holds(now));
            blocks.sort_by(|a, b| a.since.cmp(&b.since).then_with(|| a.id.cmp(&b.id)));
            if blocks.is_empty() {
                writeln!(out, "No user is blocked.")?;
            }
            for block in &blocks {
                writeln!(out, "{}", line(block))?;
            }
            Ok(Exit::Success)
        }
        Err(error) => failed(&error, err),
    }
}

fn failed(error: &dyn std::error::Error, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {error}; choose one with --tenant where there are several")?;
    Ok(Exit::Failure)
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
    let reason = block.reason.as_ref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    format!("{}{tenant} since {:.0} {until}{cut}{reason}", printable(&block.id), block.since)
}
