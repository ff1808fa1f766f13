//! `callsign block` and `unblock`: blocks a user, removes a block, lists blocks.
//!
//! The commands change the list in its place, where running servers read it, and say which servers have applied the
//! change. No server needs to run.

use std::io::{self, Write};

use jiff::Timestamp;

use super::args::{Block, Unblock};
use super::{Exit, person};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::ledger::Reader;
use callsign_store::limits::blocks;
use callsign_store::limits::blocks::acknowledgement::{Acknowledgement, Stored};
use callsign_store::limits::blocks::commit::commit;
use callsign_store::limits::blocks::order::{self, Knowledge, Order, OrderError};
use callsign_store::limits::blocks::store::BlockStore;
use callsign_store::state::{Access, StateError, StateStore};

/// The block list and its places.
struct List {
    store: BlockStore,
    state: StateStore,
}

impl List {
    /// Reads the list that servers with this configuration use. Returns `None`, with the reason on `err`, if there is
    /// none.
    async fn open(config: &Config, err: &mut impl Write) -> io::Result<Option<Self>> {
        let opened = StateStore::new(&config.ledger, config.limits.store.as_ref(), Access::Command);
        let opened = opened.and_then(|state| if state.is_nowhere() { Err(StateError::Nowhere) } else { Ok(state) });
        let mut state = match opened {
            Ok(state) => state,
            Err(error) => {
                writeln!(err, "callsign: {error}; or use the admin API, or `blocked = true` in [[users]]")?;
                return Ok(None);
            }
        };
        let store = BlockStore::default();
        let synced = store.exchange(&mut state).await;
        for error in &synced.failed {
            writeln!(err, "callsign: {}", printable(&error.to_string()))?;
        }
        if synced.unreadable > 0 {
            writeln!(err, "callsign: {} entries of the block list cannot be read", synced.unreadable)?;
        }
        Ok(synced.stored.map(|_| Self { store, state }))
    }

    /// Stores a change, and prints which servers have applied it.
    async fn commit(&mut self, generation: u64, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
        let Acknowledgement { stored, applied, late } = commit(&self.store, &mut self.state, generation).await;
        match stored {
            Stored::Unread | Stored::Memory => {
                writeln!(
                    err,
                    "callsign: the change could not be stored in {}; nothing has changed",
                    self.state.name()
                )?;
                return Ok(Exit::Failure);
            }
            Stored::Locally => writeln!(
                err,
                "callsign: {} does not answer; the change is in state.db and is passed on when it returns",
                self.state.name()
            )?,
            Stored::Shared => {}
        }
        if !late.is_empty() {
            let names: Vec<_> = late.iter().map(|name| printable(name)).collect();
            writeln!(err, "callsign: stored, but not applied yet by: {}; see their logs", names.join(", "))?;
            return Ok(Exit::Failure);
        }
        match applied {
            0 => writeln!(out, "no server is running here; it applies when one starts")?,
            1 => writeln!(out, "applied by 1 running server")?,
            count => writeln!(out, "applied by {count} running servers")?,
        }
        Ok(Exit::Success)
    }
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
    let Some(mut list) = List::open(config, err).await? else { return Ok(Exit::Failure) };
    let Some(id) = args.id.as_ref().filter(|_| !args.list) else { return print(&list.store, out) };
    let (reader, configured) = (Reader::open(&config.ledger).ok(), config.named_people());
    let knowledge = Knowledge { reader: reader.as_ref(), scope: config.whois_scope(), configured: &configured };
    let order = Order {
        id: id.clone(),
        tenant: args.tenant.clone(),
        time: args.time,
        reason: args.reason.clone(),
        cut: args.cut,
        unseen: args.unseen,
        user_id: args.user_id,
    };
    match order::block(&list.store, knowledge, order).await {
        Ok(blocked) => {
            if let Some(unchecked) = &blocked.unchecked {
                writeln!(err, "callsign: {}", printable(&unchecked.to_string()))?;
            }
            if blocked.block.id != *id {
                writeln!(out, "{} is of the user {}", printable(id), printable(&blocked.block.id))?;
            }
            writeln!(out, "blocked {}", line(&blocked.block))?;
            list.commit(blocked.generation, out, err).await
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
    let Some(mut list) = List::open(config, err).await? else { return Ok(Exit::Failure) };
    let (reader, configured) = (Reader::open(&config.ledger).ok(), config.named_people());
    let knowledge = Knowledge { reader: reader.as_ref(), scope: config.whois_scope(), configured: &configured };
    match order::unblock(&list.store, knowledge, &args.id, args.tenant.as_deref()).await {
        Ok((0, _)) => {
            writeln!(err, "callsign: {} is not blocked; see callsign block --list", printable(&args.id))?;
            Ok(Exit::Failure)
        }
        Ok((_, generation)) => {
            writeln!(out, "unblocked {}", printable(&args.id))?;
            list.commit(generation, out, err).await
        }
        Err(error) => refused(&error, err),
    }
}

fn print(store: &BlockStore, out: &mut impl Write) -> io::Result<Exit> {
    let now = Timestamp::now();
    let mut blocks = store.list();
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

fn refused(error: &OrderError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {error}")?;
    if let OrderError::Several(people) = error {
        person::list(people, err)?;
        writeln!(err, "  (--user-id takes the id as a user id only)")?;
    }
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
