//! The keys in force, found by digest without a lock (docs/SPEC.md#key-freshness).
//!
//! The keys are in 256 maps, each swapped as a whole, so that a change copies a 256th of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use callsign_core::identity::row_seal::RowSeal;
use callsign_core::secret::KeyDigest;
use callsign_core::stored_key::StoredKey;
use parking_lot::Mutex;
use uuid::Uuid;

use super::row::{KIND, KeyRow, RETIRED, RetiredRow, is_genuine};
use crate::limits::forgotten::digest;
use crate::state::{Entries, Entry};

/// Number of maps.
const SHARDS: usize = 256;
/// The usual maximum age of the list.
const MAX_STALE: Duration = Duration::from_mins(1);

/// Maximum number of keys that stay read. Further ones are read from their text with each request.
const MOST_READ: usize = 10_000;

/// A genuine row. The text is shared with the list of entries.
#[derive(Clone, Debug)]
struct Indexed {
    row: Uuid,
    text: Arc<str>,
    /// The key, once a request has used it.
    read: OnceLock<Arc<Read>>,
}

/// A key that stays read.
#[derive(Debug)]
struct Read {
    key: Arc<StoredKey>,
    _place: Place,
}

/// Counts one of [`MOST_READ`] places.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes a place; `None` if all are taken.
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let next = |taken| (taken < MOST_READ).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Indexed {
    /// Returns the key.
    fn key(&self, taken: &Arc<AtomicUsize>) -> Option<Arc<StoredKey>> {
        if let Some(read) = self.read.get() {
            return Some(Arc::clone(&read.key));
        }
        let key = Arc::new(KeyRow::stored(self.row.as_u128(), &self.text)?);
        if let Some(place) = Place::take(taken) {
            let read = Read { key: Arc::clone(&key), _place: place };
            self.read.get_or_init(|| Arc::new(read));
        }
        Some(key)
    }
}

type Shard = HashMap<KeyDigest, Indexed>;

/// The keys of one process.
#[derive(Debug)]
pub struct KeyIndex {
    shards: Box<[ArcSwap<Shard>]>,
    /// Checks rows; `None` without the operator's secret. Then no row is in force.
    seal: ArcSwapOption<RowSeal>,
    applied: Mutex<Applied>,
    /// Number of keys that stay read.
    read: Arc<AtomicUsize>,
    /// Number of rows that are refused.
    refused: AtomicUsize,
    began: Instant,
    /// The time of the latest exchange with the shared place, in milliseconds after `began`.
    fresh_ms: AtomicU64,
    max_stale_ms: AtomicU64,
}

/// The changes that the maps have.
#[derive(Debug, Default)]
struct Applied {
    generation: u64,
    /// The latest revocation of each name.
    revoked: HashMap<String, Uuid>,
    /// The rows without a valid HMAC.
    refused: HashSet<Uuid>,
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            seal: ArcSwapOption::empty(),
            applied: Mutex::default(),
            read: Arc::default(),
            refused: AtomicUsize::new(0),
            began: Instant::now(),
            fresh_ms: AtomicU64::new(0),
            max_stale_ms: AtomicU64::new(millis(MAX_STALE)),
        }
    }
}

impl KeyIndex {
    /// Returns the seal that checks rows.
    pub fn seal(&self) -> Option<Arc<RowSeal>> {
        self.seal.load_full()
    }

    /// Sets the seal and the maximum age of the list, and checks all rows again.
    pub fn configure(&self, seal: Option<RowSeal>, max_stale: Duration, entries: &Entries) {
        self.seal.store(seal.map(Arc::new));
        self.max_stale_ms.store(millis(max_stale), Ordering::Relaxed);
        *self.applied.lock() = Applied::default();
        self.shards.iter().for_each(|shard| shard.store(Arc::default()));
        self.apply(entries);
    }

    /// Records that the list is that of the shared place.
    pub fn is_fresh_now(&self) {
        self.fresh_ms.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }

    /// Returns true if the list is too old.
    pub fn is_stale(&self) -> bool {
        let age = millis(self.began.elapsed()).saturating_sub(self.fresh_ms.load(Ordering::Relaxed));
        age > self.max_stale_ms.load(Ordering::Relaxed)
    }

    /// Returns the number of rows that are refused, because their HMAC is wrong or this version cannot read them.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Finds a key.
    pub fn find(&self, key: KeyDigest) -> Option<Arc<StoredKey>> {
        self.shard(key)?.load().get(&key)?.key(&self.read)
    }

    fn shard(&self, key: KeyDigest) -> Option<&ArcSwap<Shard>> {
        self.shards.get(usize::from(key.first_byte()))
    }

    /// Puts the changes of entries since the last call into force.
    pub fn apply(&self, entries: &Entries) {
        let mut applied = self.applied.lock();
        let since = std::mem::replace(&mut applied.generation, entries.generation());
        let seal = self.seal.load();
        let mut removed = HashSet::new();
        let mut added: Vec<Vec<(KeyDigest, Indexed)>> = vec![Vec::new(); SHARDS];
        let names_revoked = applied.note_retired(entries, since, seal.as_deref());
        for entry in entries.changed_after(KIND, since) {
            applied.refused.remove(&entry.op);
            if entry.lifted {
                removed.insert(entry.op);
                continue;
            }
            let key = seal.as_deref().filter(|seal| is_genuine(entry, seal)).and_then(|_| stored(entry));
            let Some(key) = key else {
                applied.refused.insert(entry.op);
                removed.insert(entry.op);
                continue;
            };
            if !applied.is_revoked(&key.name, entry.op)
                && let Some(of_shard) = added.get_mut(usize::from(key.digest.first_byte()))
            {
                of_shard.push((
                    key.digest,
                    Indexed { row: entry.op, text: Arc::clone(&entry.body), read: OnceLock::new() },
                ));
            }
        }
        let must_search = since > 0 && (names_revoked || !removed.is_empty());
        for (shard, added) in self.shards.iter().zip(added) {
            let is_gone = |one: &Indexed| removed.contains(&one.row) || (names_revoked && applied.is_of_revoked(one));
            let loses = must_search && shard.load().values().any(is_gone);
            if loses || !added.is_empty() {
                let mut changed = Shard::clone(&shard.load());
                if loses {
                    changed.retain(|_, one| !is_gone(one));
                }
                changed.extend(added);
                shard.store(Arc::new(changed));
            }
        }
        self.refused.store(applied.refused.len(), Ordering::Relaxed);
    }
}

impl Applied {
    /// Notes the revoked names among changed entries. Returns true if there are any.
    fn note_retired(&mut self, entries: &Entries, since: u64, seal: Option<&RowSeal>) -> bool {
        let Some(seal) = seal else { return false };
        let mut any = false;
        for entry in entries.changed_after(RETIRED, since) {
            self.refused.remove(&entry.op);
            if entry.lifted {
                continue;
            }
            let row = Some(entry).filter(|entry| is_genuine(entry, seal)).and_then(RetiredRow::read);
            let Some(row) = row else {
                self.refused.insert(entry.op);
                continue;
            };
            let name = if row.forgotten { row.name } else { digest(&row.name) };
            let latest = self.revoked.entry(name).or_insert(entry.op);
            *latest = entry.op.max(*latest);
            any = true;
        }
        any
    }

    /// Returns true if a row of this name was made before the name's latest revocation: a server that did not know of
    /// the revocation has made it. The ids of rows sort by time.
    fn is_revoked(&self, name: &str, row: Uuid) -> bool {
        !self.revoked.is_empty() && self.revoked.get(&digest(name)).is_some_and(|revoked| row < *revoked)
    }

    fn is_of_revoked(&self, one: &Indexed) -> bool {
        KeyRow::stored(one.row.as_u128(), &one.text).is_none_or(|key| self.is_revoked(&key.name, one.row))
    }
}

fn stored(entry: &Entry) -> Option<StoredKey> {
    KeyRow::stored(entry.op.as_u128(), &entry.body)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
