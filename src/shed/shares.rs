//! How much each of many has taken of something: counted only while it is taken.
//!
//! An entry is a 64-bit digest of who it is and a number; it exists only while that number is not 0, so that nothing
//! grows with those who came once. Digests are keyed at random by the process, so that nobody can choose to share one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Independent parts, so that threads hardly ever meet. A power of two.
const SHARDS: usize = 32;

/// The counts of those who have something.
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
    /// Takes one for `who`, unless it has `cap` of them; gives what [`Shares::give_back`] wants.
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

    /// Gives one back that was taken.
    pub(crate) fn give_back(&self, digest: u64) {
        if let Entry::Occupied(mut count) = self.shard(digest).entry(digest) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Whether nobody has anything.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().unwrap().is_empty())
    }

    fn shard(&self, digest: u64) -> MutexGuard<'_, Counts> {
        // The table within a shard goes by the lowest and the highest bits.
        let number = usize::try_from((digest >> 32) % SHARDS as u64).unwrap_or_default();
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a digest for its own hash.
#[derive(Debug, Default)]
struct Digested(u64);

impl Hasher for Digested {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Digests come by `write_u64`; anything else is folded in, correctly if not well.
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
    fn an_entry_lives_while_something_is_taken() {
        let shares = Shares::default();
        let taken: Vec<_> = (0..10_000_u32).flat_map(|who| [shares.take(who, 2), shares.take(who, 2)]).collect();
        assert!((0..10_000_u32).all(|who| shares.take(who, 2).is_none()));
        for digest in taken {
            shares.give_back(digest.unwrap());
        }
        assert!(shares.is_empty());
        assert_eq!(shares.take("nobody", 0), None);
        shares.give_back(7);
        assert!(shares.is_empty(), "what was not taken cannot be given back");
    }
}
