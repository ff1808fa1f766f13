//! A pool of units with a share per holder (`docs/SPEC.md#fair-shares`). All pools that callers share are of this type:
//! places, bytes of memory, connections.
//!
//! Units cannot be taken back from a holder, so a holder must never get the last ones. The rule compares what a holder
//! has with what is free: a holder may take more only while its units are at most `alone / (capacity - alone)` times the
//! units that stay free. Alone it reaches `alone`; the more others hold, the less it gets; and `k` holders together
//! leave `((capacity - alone) / capacity)^k` of the pool free. A holder without units gets any free unit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// Number of independently locked parts, to keep threads from waiting for each other. A power of two.
const SHARDS: usize = 32;

/// A pool of units.
///
/// An entry of a holder is a 64-bit digest and a count. It exists only while the count is not 0, so memory does not grow
/// with past holders. The digests use a random key per process, so that a client cannot choose a colliding one.
#[derive(Debug)]
pub struct FairPool {
    capacity: u64,
    used: AtomicU64,
    keys: RandomState,
    shards: [Mutex<Counts>; SHARDS],
}

type Counts = HashMap<u64, u64, BuildHasherDefault<Digested>>;

/// The reason why a pool gives no units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The holder has its share of the pool.
    #[error("the holder has its share of the pool")]
    Share,
    /// Too few units are free.
    #[error("too few units of the pool are free")]
    Full,
}

/// The units that one owner has taken for a holder. Dropping it returns them.
#[derive(Debug)]
pub struct FairShare {
    pool: Arc<FairPool>,
    holder: u64,
    alone: u64,
    units: u64,
}

impl FairPool {
    /// Creates a pool. `keys` are the random keys of the digests.
    pub fn new(capacity: u64, keys: RandomState) -> Arc<Self> {
        let shards = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self { capacity, used: AtomicU64::new(0), keys, shards })
    }

    /// Returns an empty share for `who`, who gets at most `alone` units if nobody else has any.
    pub fn share(self: &Arc<Self>, who: impl Hash, alone: u64) -> FairShare {
        let holder = self.keys.hash_one(who);
        FairShare { pool: Arc::clone(self), holder, alone: alone.clamp(1, self.capacity.max(1)), units: 0 }
    }

    /// Takes units for `who`, as [`FairPool::share`] and [`FairShare::grow`] do.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn take(self: &Arc<Self>, who: impl Hash, alone: u64, units: u64) -> Result<FairShare, PoolError> {
        let mut share = self.share(who, alone);
        share.grow(units).map(|()| share)
    }

    /// Returns the number of units.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Returns the number of units in use.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Returns the number of holders that have units.
    pub fn holders(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Applies the rule to a holder that has `held` units.
    fn check(&self, alone: u64, held: u64, used: u64, units: u64) -> Result<(), PoolError> {
        let after = held.saturating_add(units);
        if held > 0 && after > alone {
            return Err(PoolError::Share);
        }
        let free = self.capacity.saturating_sub(used).checked_sub(units).ok_or(PoolError::Full)?;
        let (rest, wide) = (self.capacity.saturating_sub(alone), u128::from);
        let within = held == 0 || wide(after) * wide(rest) <= wide(alone) * wide(free);
        if within { Ok(()) } else { Err(PoolError::Share) }
    }

    fn shard(&self, holder: u64) -> MutexGuard<'_, Counts> {
        // The hash table within a shard uses the lowest and the highest bits.
        let number = usize::try_from((holder >> 32) % SHARDS as u64).unwrap_or_default();
        self.shards[number].lock()
    }
}

impl FairShare {
    /// Takes more units.
    ///
    /// # Errors
    /// [`PoolError`]; then nothing is taken.
    pub fn grow(&mut self, units: u64) -> Result<(), PoolError> {
        if units == 0 {
            return Ok(());
        }
        let mut counts = self.pool.shard(self.holder);
        let held = counts.get(&self.holder).copied().unwrap_or(0);
        let mut used = self.pool.used.load(Ordering::Acquire);
        loop {
            self.pool.check(self.alone, held, used, units)?;
            match self.pool.used.compare_exchange_weak(used, used + units, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => used = now,
            }
        }
        counts.insert(self.holder, held + units);
        drop(counts);
        self.units += units;
        Ok(())
    }

    /// Returns true if as many units could be taken now.
    pub fn has_room(&self, units: u64) -> bool {
        let held = self.pool.shard(self.holder).get(&self.holder).copied().unwrap_or(0);
        units == 0 || self.pool.check(self.alone, held, self.pool.used(), units).is_ok()
    }

    /// Returns some units to the pool, at most all of this share.
    pub fn shrink(&mut self, units: u64) {
        let units = units.min(self.units);
        if units == 0 {
            return;
        }
        self.units -= units;
        let mut counts = self.pool.shard(self.holder);
        if let Entry::Occupied(mut count) = counts.entry(self.holder) {
            *count.get_mut() = count.get().saturating_sub(units);
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.pool.used.fetch_sub(units, Ordering::AcqRel);
    }

    /// Returns an empty share of the same holder.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { pool: Arc::clone(&self.pool), units: 0, ..*self }
    }

    /// Returns the digest of the holder, which is a holder in other pools too.
    pub fn holder(&self) -> u64 {
        self.holder
    }

    /// Returns the number of units of this share.
    pub fn units(&self) -> u64 {
        self.units
    }
}

impl Drop for FairShare {
    fn drop(&mut self) {
        self.shrink(self.units);
    }
}

/// A hasher that returns a digest as its own hash.
#[derive(Debug, Default)]
struct Digested(u64);

impl Hasher for Digested {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Digests arrive through `write_u64`. This is a correct, weak hash for anything else.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

#[cfg(test)]
mod tests;
