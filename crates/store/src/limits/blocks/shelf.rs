//! Stores the block list for all processes and the command line: in the shared store, else in the data directory, else
//! only in this process.
//!
//! In the store it is a hash with a version number that readers compare. A process with a data directory keeps a copy
//! there. The copy is used at a start while the store is unavailable, and restores a store that has lost its data.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::file::{BlockFile, Print};
use super::{Block, lift, put};
use crate::limits::link::{Link, StoreUnavailableError};

const LIST: &str = "callsign:blocks";
const VERSION: &str = "callsign:blocks:version";

/// The stored block list.
#[derive(Debug)]
pub struct Shelf {
    link: Option<Arc<Link>>,
    file: Option<BlockFile>,
    here: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    blocks: Vec<Block>,
    print: Print,
    version: Option<i64>,
    /// True once the store has been read.
    looked: bool,
    failed: bool,
}

/// An error of reading or writing the list.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreUnavailableError),
    /// The file cannot be read or written.
    #[error("cannot use blocks.json in the data directory: {0}")]
    File(#[from] std::io::Error),
}

impl Shelf {
    /// Uses the store, or else the directory.
    pub fn new(link: Option<Arc<Link>>, directory: Option<&Path>) -> Self {
        Self { link, file: directory.map(BlockFile::new), here: Mutex::default() }
    }

    /// Returns true if other processes can read the list.
    pub fn is_shared(&self) -> bool {
        self.link.is_some() || self.file.is_some()
    }

    fn seen(&self) -> parking_lot::MutexGuard<'_, Seen> {
        self.here.lock()
    }

    /// Returns the list in the data directory, for the start. Blocks stay in force while the store is unavailable.
    pub fn first(&self) -> Vec<Block> {
        let read = self.file.as_ref().map(BlockFile::read);
        let blocks = match read {
            None => Vec::new(),
            Some(Ok(blocks)) => blocks,
            Some(Err(error)) => {
                tracing::error!(%error, "blocks: cannot read blocks.json; its blocks are not in force");
                Vec::new()
            }
        };
        let mut seen = self.seen();
        seen.print = self.file.as_ref().and_then(BlockFile::print);
        seen.blocks.clone_from(&blocks);
        blocks
    }

    /// Returns the list if it has changed since the last call.
    pub async fn news(&self) -> Option<Vec<Block>> {
        let read = match &self.link {
            Some(link) => self.news_of_store(link).await,
            None => self.news_of_file(),
        };
        let mut seen = self.seen();
        match read {
            Ok(news) => {
                seen.failed = false;
                if let Some(blocks) = &news {
                    seen.blocks.clone_from(blocks);
                }
                news
            }
            Err(error) => {
                // Logged once per failure, not at every poll. An unavailable store is logged by the worker.
                if !std::mem::replace(&mut seen.failed, true) && matches!(error, ShelfError::File(_)) {
                    tracing::error!(%error, "blocks: cannot read the block list; the previous list stays in force");
                }
                None
            }
        }
    }

    fn news_of_file(&self) -> Result<Option<Vec<Block>>, ShelfError> {
        let Some(file) = &self.file else { return Ok(None) };
        let print = file.print();
        if self.seen().print == print {
            return Ok(None);
        }
        let blocks = file.read()?;
        self.seen().print = print;
        Ok(Some(blocks))
    }

    async fn news_of_store(&self, link: &Link) -> Result<Option<Vec<Block>>, ShelfError> {
        let version: Option<i64> = link.ask(redis::cmd("GET").arg(VERSION)).await?;
        let known = {
            let seen = self.seen();
            if seen.looked && seen.version == version {
                return Ok(None);
            }
            seen.blocks.clone()
        };
        if version.is_none() && !known.is_empty() {
            // The store had a list and has no version number any more, so it has lost its data.
            tracing::error!("blocks: the store has lost the block list; restoring it from the local copy");
            let mut restore = redis::pipe();
            for block in &known {
                restore.cmd("HSETNX").arg(LIST).arg(field(block)).arg(json(block)).ignore();
            }
            restore.atomic().incr(VERSION, 1).ignore();
            let _: redis::Value = link.ask(&mut restore).await?;
        }
        let blocks = read_store(link).await?;
        {
            let mut seen = self.seen();
            (seen.looked, seen.version) = (true, version);
        }
        self.copy(&blocks);
        Ok(Some(blocks))
    }

    /// Writes a copy of the store's list to the data directory.
    fn copy(&self, blocks: &[Block]) {
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.change(|copy| *copy = blocks.to_vec())) {
            tracing::warn!(%error, "blocks: cannot write a copy of the block list to the data directory");
        }
    }

    /// Returns all blocks.
    ///
    /// # Errors
    /// [`ShelfError`] if the store or the file cannot be used.
    pub async fn list(&self) -> Result<Vec<Block>, ShelfError> {
        match (&self.link, &self.file) {
            (Some(link), _) => Ok(read_store(link).await?),
            (None, Some(file)) => Ok(file.read()?),
            (None, None) => Ok(self.seen().blocks.clone()),
        }
    }

    /// Adds a block and returns the resulting list.
    ///
    /// # Errors
    /// [`ShelfError`]. The list may have changed if the store's answer was lost.
    pub async fn put(&self, block: Block) -> Result<Vec<Block>, ShelfError> {
        if let Some(link) = &self.link {
            let blocks = read_store(link).await?;
            let over = blocks.iter().filter(|other| !other.holds(block.since));
            let mut change = redis::pipe();
            change.atomic();
            for over in over {
                change.hdel(LIST, field(over)).ignore();
            }
            change.hset(LIST, field(&block), json(&block)).ignore().incr(VERSION, 1).ignore();
            let _: redis::Value = link.ask(&mut change).await?;
            return Ok(read_store(link).await?);
        }
        Ok(self.change(|blocks| put(blocks, block))?.0)
    }

    /// Removes the blocks of `id`, either of one tenant or of all. Returns the resulting list and the number of
    /// removed blocks.
    ///
    /// # Errors
    /// [`ShelfError`] if the store or the file cannot be used.
    pub async fn lift(&self, id: &str, tenant: Option<&str>) -> Result<(Vec<Block>, usize), ShelfError> {
        if let Some(link) = &self.link {
            let mut left = read_store(link).await?;
            let before = left.clone();
            let lifted = lift(&mut left, id, tenant);
            let mut change = redis::pipe();
            change.atomic();
            for gone in before.iter().filter(|block| !left.contains(block)) {
                change.hdel(LIST, field(gone)).ignore();
            }
            change.incr(VERSION, 1).ignore();
            let _: redis::Value = link.ask(&mut change).await?;
            return Ok((left, lifted));
        }
        Ok(self.change(|blocks| lift(blocks, id, tenant))?)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Block>) -> T) -> std::io::Result<(Vec<Block>, T)> {
        if let Some(file) = &self.file {
            return file.change(change);
        }
        let mut seen = self.seen();
        let changed = change(&mut seen.blocks);
        Ok((seen.blocks.clone(), changed))
    }
}

async fn read_store(link: &Link) -> Result<Vec<Block>, StoreUnavailableError> {
    let all: HashMap<String, String> = link.ask(redis::cmd("HGETALL").arg(LIST)).await?;
    // Entries in an unknown format are skipped. A newer callsign may have written them.
    Ok(all.values().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// Returns the hash field of a block. Blocks of different users have different fields.
fn field(block: &Block) -> String {
    match &block.tenant {
        None => format!("*\x1f{}", block.id),
        Some(tenant) => format!("={tenant}\x1f{}", block.id),
    }
}

fn json(block: &Block) -> String {
    // Cannot fail: a block is plain data.
    serde_json::to_string(block).unwrap_or_default()
}
