//! Where the list of blocks is kept, so that every callsign and the command line find it: in the shared store, else in the
//! data directory, else only in this process.
//!
//! In the store it is a hash with a number that grows with every change; who looks compares the number. A callsign that has
//! a data directory keeps a copy there, for a start while the store is away, and gives a store that has lost everything
//! its list back.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use parking_lot::Mutex;

use super::file::{BlockFile, Print};
use super::{Block, lift, put};
use crate::limits::link::{Link, StoreUnavailableError};

const LIST: &str = "callsign:blocks";
const VERSION: &str = "callsign:blocks:version";

/// See the module.
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
    /// Whether the store has been looked into.
    looked: bool,
    failed: bool,
}

/// Why the list cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreUnavailableError),
    /// The file.
    #[error("blocks.json in the data directory cannot be used: {0}")]
    File(#[from] std::io::Error),
}

impl Shelf {
    /// On the store, else in this directory.
    pub fn new(link: Option<Arc<Link>>, directory: Option<&Path>) -> Self {
        Self { link, file: directory.map(BlockFile::new), here: Mutex::default() }
    }

    /// Whether what is put there is found by somebody else.
    pub fn is_shared(&self) -> bool {
        self.link.is_some() || self.file.is_some()
    }

    fn seen(&self) -> parking_lot::MutexGuard<'_, Seen> {
        self.here.lock()
    }

    /// What was kept the last time, for the start; whoever is stopped stays so while the store is away.
    pub fn first(&self) -> Vec<Block> {
        let read = self.file.as_ref().map(BlockFile::read);
        let blocks = match read {
            None => Vec::new(),
            Some(Ok(blocks)) => blocks,
            Some(Err(error)) => {
                tracing::error!(%error, "blocks.json in the data directory cannot be read; nobody is stopped by it");
                Vec::new()
            }
        };
        let mut seen = self.seen();
        seen.print = self.file.as_ref().and_then(BlockFile::print);
        seen.blocks.clone_from(&blocks);
        blocks
    }

    /// The list, if it is another one than the last time.
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
                // Once, not three times a second. A store that is away is told of elsewhere.
                if !std::mem::replace(&mut seen.failed, true) && matches!(error, ShelfError::File(_)) {
                    tracing::error!(%error, "the list of blocks stays as it was");
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
            // It had a list and has none, not even an empty one: everything was lost.
            tracing::error!("the store has lost the list of blocks; it gets this one");
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

    /// Keeps a copy of the store's list.
    fn copy(&self, blocks: &[Block]) {
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.change(|copy| *copy = blocks.to_vec())) {
            tracing::warn!(%error, "the data directory does not take a copy of the list of blocks");
        }
    }

    /// Every block there is.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn list(&self) -> Result<Vec<Block>, ShelfError> {
        match (&self.link, &self.file) {
            (Some(link), _) => Ok(read_store(link).await?),
            (None, Some(file)) => Ok(file.read()?),
            (None, None) => Ok(self.seen().blocks.clone()),
        }
    }

    /// Puts a block there; the list afterwards.
    ///
    /// # Errors
    /// [`ShelfError`]; nothing has changed then, as far as is known.
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

    /// Takes the blocks about `id` away, those of `tenant` or all; the list afterwards, and how many there were.
    ///
    /// # Errors
    /// [`ShelfError`].
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
    // What a newer callsign has put there in another form is its own to hold.
    Ok(all.values().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// No two blocks about different people share one.
fn field(block: &Block) -> String {
    match &block.tenant {
        None => format!("*\x1f{}", block.id),
        Some(tenant) => format!("={tenant}\x1f{}", block.id),
    }
}

fn json(block: &Block) -> String {
    // Plain data always has a text.
    serde_json::to_string(block).unwrap_or_default()
}
