//! The issuers' keys in force, and the tokens that have been verified with them.
//!
//! Keys are exchanged whole, so that nobody waits for a fetch; a verified token is remembered by the digest of all of it
//! until it expires, and says nothing about any other token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::issuer::{Issuer, IssuerId};
use super::jwt::{self, TokenError, Verified};
use super::key_set::KeySet;
use crate::secret::KeyDigest;

/// Tokens remembered in each of the two generations, a few hundred bytes each.
const GENERATION: usize = 8192;

/// Verifies tokens of all issuers of a directory.
#[derive(Debug, Default)]
pub struct Verifier {
    key_sets: Vec<ArcSwap<KeySet>>,
    verified: Mutex<Generations>,
}

/// Two generations: when the young one is full, the old one goes. Bounded, and without a list to keep in order.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<(IssuerId, KeyDigest), Arc<Verified>>,
    old: HashMap<(IssuerId, KeyDigest), Arc<Verified>>,
}

impl Verifier {
    /// A verifier for issuers with these keys, in the order of their ids; an empty set is one that has still to be
    /// fetched.
    pub fn new(key_sets: impl IntoIterator<Item = KeySet>) -> Self {
        Self { key_sets: key_sets.into_iter().map(ArcSwap::from_pointee).collect(), verified: Mutex::default() }
    }

    /// The keys in force.
    pub fn key_set(&self, issuer: IssuerId) -> Arc<KeySet> {
        self.key_sets.get(issuer).map(ArcSwap::load_full).unwrap_or_default()
    }

    /// Puts fresh keys in force.
    pub fn exchange(&self, issuer: IssuerId, keys: KeySet) {
        if let Some(set) = self.key_sets.get(issuer) {
            set.store(Arc::new(keys));
        }
    }

    /// Verifies a token, or remembers having done so.
    ///
    /// # Errors
    /// [`TokenError`].
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

    /// Whether this issuer has verified the token of this digest, which may have expired since.
    pub(super) fn has_seen(&self, id: IssuerId, token: KeyDigest) -> bool {
        self.remembered().get(&(id, token)).is_some()
    }

    fn remembered(&self) -> MutexGuard<'_, Generations> {
        // Every step under the lock leaves whole maps behind.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
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
