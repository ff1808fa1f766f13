//! Changes of the keys in the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use callsign_core::allowance::Limit;
use callsign_core::identity::row_seal::RowSeal;
use callsign_core::secret::KeyDigest;
use callsign_core::stored_key::{Found, StoredKey, StoredKeys};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{OperatorState, acts};
use crate::limits::acts::{Act, Verb};
use crate::limits::keys::changes::{KeyChangeError, MOST_KEYS, add, check_name, retire, rows};
use crate::limits::keys::index::KeyIndex;
use crate::limits::keys::list::ListedKey;
use crate::limits::keys::row::{Holder, KIND, KeyRow, is_genuine, mentions};
use crate::person::Person;
use crate::state::Entry;

/// Time after the end of a key until its row is removed, if the clock is trusted.
const ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl StoredKeys for OperatorState {
    fn find(&self, digest: KeyDigest) -> Found {
        let index = self.keys();
        // Without the secret there are no keys in the database.
        if index.seal().is_none() {
            return Found::Unknown;
        }
        if self.is_unread() || index.is_stale() {
            return Found::Unavailable;
        }
        index.find(digest).map_or(Found::Unknown, Found::Key)
    }
}

impl OperatorState {
    /// Returns the keys in force.
    pub fn keys(&self) -> &KeyIndex {
        &self.0.keys
    }

    /// Sets the secret's seal, and the maximum age of the list of keys. Call it at the start and at a reload.
    pub fn configure_keys(&self, seal: Option<RowSeal>, max_stale: Duration) {
        let entries = self.0.entries.lock();
        self.0.keys.configure(seal, max_stale, &entries);
    }

    /// Returns true if keys that exist now may be refused because the list is too old.
    pub fn are_keys_stale(&self) -> bool {
        self.keys().seal().is_some() && self.keys().is_stale() && self.0.entries.lock().of(KIND).next().is_some()
    }

    /// Returns all keys, sorted by name, the latest first.
    pub fn listed_keys(&self) -> Vec<ListedKey> {
        let (seal, now) = (self.keys().seal(), Timestamp::now());
        let is_good = |entry: &Entry| seal.as_ref().is_some_and(|seal| is_genuine(entry, seal));
        let read = |entry: &Entry| Some(ListedKey::new(KeyRow::read(entry)?, is_good(entry), now));
        let mut keys: Vec<_> = self.0.entries.lock().of(KIND).filter_map(read).collect();
        keys.sort_by(|a, b| a.row.name.cmp(&b.row.name).then_with(|| b.row.since.cmp(&a.row.since)));
        keys
    }

    /// Returns the persons with this user id who have a key.
    pub fn people_with_keys(&self, user: &str) -> Vec<Person> {
        let entries = self.0.entries.lock();
        let rows = entries.of(KIND).filter(|entry| mentions(entry, user)).filter_map(KeyRow::read);
        let of_user = rows.filter(|row| row.holder.user.as_deref() == Some(user));
        of_user.map(|row| Person { tenant: row.holder.tenant, user: user.to_owned() }).collect()
    }

    /// Returns the keys with a limit of this kind, by name.
    pub fn keys_with(&self, is_meant: impl Fn(Limit) -> bool) -> HashMap<String, StoredKey> {
        let entries = self.0.entries.lock();
        let limited = entries.of(KIND).filter(|entry| entry.body.contains("\"limits\""));
        let limited = limited.filter_map(|entry| KeyRow::stored(entry.op.as_u128(), &entry.body));
        let is_set = |key: &StoredKey| {
            let ceilings = key.limits.ceilings();
            Limit::ALL.into_iter().any(|limit| is_meant(limit) && ceilings.of(limit).is_some())
        };
        limited.filter(is_set).map(|key| (key.name.clone(), key)).collect()
    }

    /// Returns true if a key has this name, or had it for another holder.
    pub fn is_key_name_taken(&self, name: &str, holder: &Holder) -> bool {
        check_name(&self.0.entries.lock(), name, holder).is_err()
    }

    /// Checks that a name can be used for this holder.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub fn check_key_name(&self, name: &str, holder: &Holder) -> Result<(), KeyChangeError> {
        self.sealed()?;
        check_name(&self.0.entries.lock(), name, holder)
    }

    /// Returns true if the database has a key with this digest, valid or not.
    pub fn has_key_digest(&self, digest: KeyDigest) -> bool {
        let digest = digest.to_hex();
        let entries = self.0.entries.lock();
        let mut rows = entries.of(KIND).filter(|entry| mentions(entry, &digest)).filter_map(KeyRow::read);
        rows.any(|row| row.digest == digest)
    }

    /// Adds a key. Returns the id of its row and the generation of the change.
    ///
    /// # Errors
    /// [`KeyChangeError`]. Nothing is changed then.
    pub fn create_key(&self, key: &KeyRow) -> Result<(Uuid, u64), KeyChangeError> {
        let seal = self.sealed()?;
        self.change(|entries| {
            check_name(entries, &key.name, &key.holder)?;
            if entries.of(KIND).count() >= MOST_KEYS {
                return Err(KeyChangeError::Full);
            }
            let row = add(entries, &seal, key)?;
            acts::add(entries, &act(Verb::CreateKey, key, &key.by, &described(key)));
            Ok((row, entries.generation()))
        })
    }

    /// Returns true if another row than `row` is of a current key with this name.
    pub fn has_other_key(&self, name: &str, row: Uuid) -> bool {
        let Some(seal) = self.keys().seal() else { return false };
        rows(&self.0.entries.lock(), name, &seal).iter().any(|(other, key)| *other != row && !key.old)
    }

    /// Removes a key that was just added and could not be stored.
    pub fn withdraw_key(&self, row: Uuid, key: &KeyRow) {
        self.change(|entries| {
            entries.lift(KIND, row);
            acts::add(entries, &act(Verb::RevokeKey, key, &key.by, "it could not be stored"));
        });
    }

    /// Replaces a key by `digest`. The earlier one stays valid for `overlap`, at most to its end; still earlier ones end.
    /// Returns the new row and the generation of the change.
    ///
    /// # Errors
    /// [`KeyChangeError`]. Nothing is changed then.
    pub fn rotate_key(
        &self,
        name: &str,
        digest: KeyDigest,
        overlap: Duration,
        by: &str,
    ) -> Result<(KeyRow, u64), KeyChangeError> {
        let seal = self.sealed()?;
        self.change(|entries| {
            let rows = rows(entries, name, &seal);
            let current = rows.iter().filter(|(_, key)| !key.old).max_by_key(|(row, _)| *row);
            let (_, current) = current.ok_or(KeyChangeError::Unknown)?;
            let now = Timestamp::now();
            if !current.is_valid(now) {
                return Err(KeyChangeError::Expired);
            }
            let new = KeyRow { since: now, by: by.to_owned(), ..current.clone().with_digest(digest) };
            let end = now.saturating_add(overlap).unwrap_or(Timestamp::MAX);
            let end = current.expires.map_or(end, |expires| expires.min(end));
            let old = KeyRow { expires: Some(end), old: true, ..current.clone() };
            add(entries, &seal, &new)?;
            if !overlap.is_zero() {
                add(entries, &seal, &old)?;
            }
            for (row, _) in &rows {
                entries.lift(KIND, *row);
            }
            let detail = if overlap.is_zero() {
                "the earlier key has ended".to_owned()
            } else {
                format!("the earlier key ends at {end:.0}")
            };
            acts::add(entries, &act(Verb::RotateKey, &new, by, &detail));
            Ok((new, entries.generation()))
        })
    }

    /// Ends all keys of a name; `cut` ends their running requests too. Returns the generation of the change.
    ///
    /// # Errors
    /// [`KeyChangeError`]. Nothing is changed then.
    pub fn revoke_key(&self, name: &str, cut: bool, by: &str) -> Result<u64, KeyChangeError> {
        let seal = self.sealed()?;
        self.change(|entries| {
            let rows = rows(entries, name, &seal);
            let Some((_, key)) = rows.iter().max_by_key(|(row, _)| *row) else { return Err(KeyChangeError::Unknown) };
            retire(entries, &seal, key, &rows, cut)?;
            let detail = if cut { "running responses aborted" } else { "" };
            acts::add(entries, &act(Verb::RevokeKey, key, by, detail));
            Ok(entries.generation())
        })
    }

    fn sealed(&self) -> Result<Arc<RowSeal>, KeyChangeError> {
        self.keys().seal().ok_or(KeyChangeError::NoSecret)
    }

    /// Removes the rows of keys that ended long ago. Their names stay taken.
    pub(super) fn lift_ended_keys(&self, now: Timestamp) {
        let Some(seal) = self.keys().seal() else { return };
        let is_over =
            |key: &KeyRow| key.expires.is_some_and(|expires| expires.saturating_add(ENDED).is_ok_and(|end| end < now));
        self.change(|entries| {
            let ended = entries.of(KIND).filter(|entry| entry.body.contains("\"expires\"") && is_genuine(entry, &seal));
            let ended = ended.filter_map(|entry| Some((entry.op, KeyRow::read(entry)?)));
            let ended: Vec<_> = ended.filter(|(_, key)| is_over(key)).collect();
            for (row, key) in ended {
                // An old key's name is that of the current one.
                let is_done = key.old || retire(entries, &seal, &key, &[(row, key.clone())], false).is_ok();
                if is_done {
                    entries.lift(KIND, row);
                }
            }
        });
    }
}

/// Returns the act of a change. Its subject is the user, or the name of an app's key.
fn act(verb: Verb, key: &KeyRow, by: &str, detail: &str) -> Act {
    let subject = key.holder.user.as_deref().unwrap_or(&key.name);
    let tenant = key.holder.tenant.as_deref().unwrap_or_default();
    let named = format!("key={}", key.name);
    let detail = [named.as_str(), detail].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    Act::new(verb, by, subject, Some(tenant), Some(detail))
}

/// Describes what a key grants, without the key and its digest.
fn described(key: &KeyRow) -> String {
    let preset = key.holder.preset.as_ref().map(|preset| format!("preset={preset}"));
    let limits = key.limits().iter().map(|(limit, value)| format!("{limit}={value}"));
    let from = key.from.iter().map(|network| format!("allowed_network={network}"));
    let expires = key.expires.map(|expires| format!("expires={expires:.0}"));
    preset.into_iter().chain(limits).chain(from).chain(expires).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
