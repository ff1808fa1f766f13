//! Verifies tokens with the issuers' current keys and caches verified tokens.
//!
//! A key set is replaced atomically, so requests do not wait for a fetch. A verified token is cached by the digest of
//! the whole token until it expires; the entry does not apply to any other token.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::issuer::{Issuer, IssuerId};
use super::jwt::{self, TokenError, Verified};
use crate::auth::jwks::KeySet;
use crate::secret::KeyDigest;

/// Maximum number of cached tokens in each of the two generations. An entry has a few hundred bytes.
const GENERATION: usize = 8192;

/// A verifier for the tokens of all issuers of a directory.
#[derive(Debug, Default)]
pub struct Verifier {
    key_sets: Vec<ArcSwap<KeySet>>,
    verified: Mutex<Generations>,
}

/// A bounded cache in two generations. When the young one is full, it replaces the old one; an entry that is used moves
/// to the young one. This approximates LRU without an ordered list.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<(IssuerId, KeyDigest), Arc<Verified>>,
    old: HashMap<(IssuerId, KeyDigest), Arc<Verified>>,
}

impl Verifier {
    /// Creates a verifier for issuers with these keys, in the order of their ids. An empty set is one that has not been
    /// fetched yet.
    pub fn new(key_sets: impl IntoIterator<Item = KeySet>) -> Self {
        Self { key_sets: key_sets.into_iter().map(ArcSwap::from_pointee).collect(), verified: Mutex::default() }
    }

    /// Returns the current keys of an issuer.
    pub fn key_set(&self, issuer: IssuerId) -> Arc<KeySet> {
        self.key_sets.get(issuer).map(ArcSwap::load_full).unwrap_or_default()
    }

    /// Replaces the keys of an issuer.
    pub fn set_keys(&self, issuer: IssuerId, keys: KeySet) {
        if let Some(set) = self.key_sets.get(issuer) {
            set.store(Arc::new(keys));
        }
    }

    /// Verifies a token, or returns the cached result.
    ///
    /// # Errors
    /// [`TokenError`] if the token is refused. Refusals are not cached.
    pub fn verify(&self, id: IssuerId, issuer: &Issuer, token: &[u8], now: i64) -> Result<Arc<Verified>, TokenError> {
        let place = (id, KeyDigest::of(token));
        if let Some(verified) = self.remembered().get(&place)
            && now < verified.expires
        {
            return Ok(verified);
        }
        let verified = Arc::new(jwt::verify(token, issuer, &self.key_set(id), now)?);
        self.remembered().put(place, Arc::clone(&verified));
        Ok(verified)
    }

    /// Returns true if the token with this digest is cached for the issuer. It may have expired.
    pub(super) fn has_seen(&self, id: IssuerId, token: KeyDigest) -> bool {
        self.remembered().get(&(id, token)).is_some()
    }

    fn remembered(&self) -> MutexGuard<'_, Generations> {
        // A panic under the lock cannot leave the maps inconsistent, so poisoning is ignored.
        self.verified.lock()
    }
}

impl Generations {
    fn get(&mut self, place: &(IssuerId, KeyDigest)) -> Option<Arc<Verified>> {
        if let Some(verified) = self.young.get(place) {
            return Some(Arc::clone(verified));
        }
        let verified = self.old.remove(place)?;
        self.put(*place, Arc::clone(&verified));
        Some(verified)
    }

    fn put(&mut self, place: (IssuerId, KeyDigest), verified: Arc<Verified>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(place, verified);
    }
}

#[cfg(test)]
mod tests;
