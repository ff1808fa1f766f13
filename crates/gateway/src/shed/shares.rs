//! Counts the units that each holder (an address or a caller) has taken.
//!
//! An entry is a 64-bit digest of the holder and its count. It exists only while the count is not 0, so memory does not
//! grow with past holders. The digests use a random key per process, so a client cannot choose a colliding one.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

/// Number of independently locked parts, to keep threads from waiting for each other. A power of two.
const SHARDS: usize = 32;

/// The counts of all holders.
#[derive(Debug)]
pub(crate) struct Shares {
    keys: RandomState,
    shards: [Mutex<Counts>; SHARDS],
}

type Counts = HashMap<u64, usize, BuildHasherDefault<Digested>>;

impl Default for Shares {
    fn default() -> Self {
        Self { keys: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Shares {
    /// Takes one unit for `who`, unless it has `cap` units. Returns the digest for [`Shares::release`].
    pub(crate) fn take(&self, who: impl Hash, cap: usize) -> Option<u64> {
        let digest = self.keys.hash_one(who);
        match self.shard(digest).entry(digest) {
            Entry::Occupied(count) if *count.get() >= cap => None,
            Entry::Occupied(mut count) => {
                *count.get_mut() += 1;
                Some(digest)
            }
            Entry::Vacant(_) if cap == 0 => None,
            Entry::Vacant(place) => {
                place.insert(1);
                Some(digest)
            }
        }
    }

    /// Returns one unit.
    pub(crate) fn release(&self, digest: u64) {
        if let Entry::Occupied(mut count) = self.shard(digest).entry(digest) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Returns true if there is no entry.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    fn shard(&self, digest: u64) -> MutexGuard<'_, Counts> {
        // The hash table within a shard uses the lowest and the highest bits.
        let number = usize::try_from((digest >> 32) % SHARDS as u64).unwrap_or_default();
        self.shards[number].lock()
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
mod tests {
    use super::*;

    #[test]
    fn an_entry_exists_only_while_its_count_is_not_zero() {
        let shares = Shares::default();
        let taken: Vec<_> = (0..10_000_u32).flat_map(|who| [shares.take(who, 2), shares.take(who, 2)]).collect();
        assert!((0..10_000_u32).all(|who| shares.take(who, 2).is_none()));
        for digest in taken {
            shares.release(digest.unwrap());
        }
        assert!(shares.is_empty());
        assert_eq!(shares.take("nobody", 0), None);
        shares.release(7);
        assert!(shares.is_empty(), "returning an unknown digest has no effect");
    }
}
