//! The name of a pool of connections: one for each account that pays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The key of an account's pool. Clones name the same pool.
#[derive(Clone, Debug)]
pub struct PoolKey(Arc<Key>);

#[derive(Debug)]
struct Key {
    number: u64,
    is_retired: AtomicBool,
}

impl PoolKey {
    /// Creates the key of a pool that no other key names.
    #[expect(clippy::new_without_default, reason = "each key is another one, which `default` would not suggest")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Key { number, is_retired: AtomicBool::new(false) }))
    }

    /// Closes the pool for good. Its connections do not return to it.
    pub fn retire(&self) {
        self.0.is_retired.store(true, Ordering::Release);
    }

    /// Returns true if the pool is closed for good.
    pub(super) fn is_retired(&self) -> bool {
        self.0.is_retired.load(Ordering::Acquire)
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }
}
