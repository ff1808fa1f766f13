//! Changes of the keys in the database.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use callsign_core::allowance::Limit;
use callsign_core::identity::row_seal::RowSeal;
use callsign_core::secret::KeyDigest;
use callsign_core::stored_key::{Found, StoredKey, StoredKeys};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::acts::{self, Names};
use super::{OperatorState, lift_in};
use crate::limits::acts::{Act, Verb};
use crate::limits::keys::index::KeyIndex;
use crate::limits::keys::list::ListedKey;
use crate::limits::keys::row::{Holder, KIND, KeyRow, RETIRED, RetiredRow, is_genuine, mentions};
use crate::person::Person;
use crate::state::{Entries, Entry};

/// Maximum number of keys.
pub const MOST_KEYS: usize = 200_000;
/// Time after the end of a key until its row is removed, if the clock is trusted.
const ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Time for which running requests are compared with a revocation.
const RUNNING: SignedDuration = SignedDuration::from_hours(24);

/// A change of keys that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyChangeError {
    /// The operator's secret is not set.
    #[error("keys in the database need CALLSIGN_ID_SECRET, which seals their rows: set it (openssl rand -hex 32)")]
    NoSecret,
    /// Another key has the name, or had it.
    #[error("a key with this name exists or was revoked, for another user, preset or tenant: choose another name")]
    Taken,
    /// The name is that of a valid key of the same holder.
    #[error("a key with this name exists: choose another name, or use `key rotate`")]
    Exists,
    /// There is no such key.
    #[error("no key in the database has this name; see callsign key list")]
    Unknown,
    /// The key has expired.
    #[error("the key has expired: create another one")]
    Expired,
    /// There are too many keys.
    #[error("the list of keys is full ({MOST_KEYS}): revoke some first")]
    Full,
    /// The row is too long.
    #[error("the key's name, user, networks and limits are too long together")]
    Long,
}

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
        index.find(digest).map_or(Found::Unknown, |key| Found::Key(Box::new(key)))
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

/// Returns the rows of revoked keys whose requests may still run, each with true if they must end.
pub(super) fn revoked(entries: &Entries, seal: Option<&RowSeal>, now: Timestamp) -> Vec<(u128, bool)> {
    let Some(seal) = seal else { return Vec::new() };
    let since_ms = now.saturating_sub(RUNNING).map_or(0, Timestamp::as_millisecond);
    // The first 48 bits of an id are its time in milliseconds.
    let is_late = |entry: &&Entry| (entry.op.as_u128() >> 80) >= u128::try_from(since_ms).unwrap_or_default();
    let late = entries.of(RETIRED).filter(is_late).filter(|entry| is_genuine(entry, seal));
    late.filter_map(RetiredRow::read)
        .flat_map(|row| row.ids().map(|id| (id.as_u128(), row.cut)).collect::<Vec<_>>())
        .collect()
}

/// Revokes the keys of a forgotten user, and replaces the user and the names of revoked keys by digests. Returns the
/// number of rows.
pub(super) fn forget(entries: &mut Entries, seal: Option<&RowSeal>, names: Names<'_>) -> usize {
    let Some(seal) = seal else { return 0 };
    let is_mentioned = |entry: &&Entry| names.all.iter().any(|name| mentions(entry, name));
    let is_theirs = |holder: &Holder| {
        holder.user.as_deref().is_some_and(|user| names.has(user, Some(holder.tenant.as_deref().unwrap_or_default())))
    };
    let keys = entries.of(KIND).filter(is_mentioned).filter_map(|entry| Some((entry.op, KeyRow::read(entry)?)));
    let keys: Vec<_> = keys.filter(|(_, key)| is_theirs(&key.holder)).collect();
    let retired = entries.of(RETIRED).filter(is_mentioned);
    let retired = retired.filter_map(|entry| Some((entry.op, RetiredRow::read(entry)?)));
    let retired: Vec<_> = retired.filter(|(_, row)| !row.forgotten && is_theirs(&row.holder)).collect();
    let mut taken = HashSet::new();
    for (row, key) in &keys {
        entries.lift(KIND, *row);
        if taken.insert(&key.name) {
            let rows: Vec<_> = keys.iter().filter(|(_, other)| other.name == key.name).map(|(row, _)| *row).collect();
            add_retired(entries, seal, &RetiredRow::new(&key.name, &key.holder, &rows, false).forgotten());
        }
    }
    for (row, old) in &retired {
        entries.lift(RETIRED, *row);
        add_retired(entries, seal, &old.clone().forgotten());
    }
    keys.len() + retired.len()
}

/// Checks that a name can be used for this holder.
fn check_name(entries: &Entries, name: &str, holder: &Holder) -> Result<(), KeyChangeError> {
    let rows = entries.of(KIND).filter(|entry| mentions(entry, name)).filter_map(KeyRow::read);
    if let Some(other) = rows.into_iter().find(|row| row.name == name) {
        return Err(if other.holder == *holder { KeyChangeError::Exists } else { KeyChangeError::Taken });
    }
    let mut retired = entries.of(RETIRED).filter_map(RetiredRow::read);
    let is_of_others = retired.any(|row| row.has_name(name) && !row.is_of(holder));
    if is_of_others { Err(KeyChangeError::Taken) } else { Ok(()) }
}

/// Returns the genuine rows of a name.
fn rows(entries: &Entries, name: &str, seal: &RowSeal) -> Vec<(Uuid, KeyRow)> {
    let rows = entries.of(KIND).filter(|entry| mentions(entry, name) && is_genuine(entry, seal));
    let rows = rows.filter_map(|entry| Some((entry.op, KeyRow::read(entry)?)));
    rows.filter(|(_, row)| row.name == name).collect()
}

/// Adds a row. Its id is later than every revocation of its name, whatever the clock says.
fn add(entries: &mut Entries, seal: &RowSeal, key: &KeyRow) -> Result<Uuid, KeyChangeError> {
    let retired = entries.of(RETIRED).filter_map(|entry| Some((entry.op, RetiredRow::read(entry)?)));
    let latest = retired.filter(|(_, row)| row.has_name(&key.name)).map(|(op, _)| op.as_u128()).max();
    let row = Uuid::from_u128(Uuid::now_v7().as_u128().max(latest.unwrap_or_default().saturating_add(1)));
    let text = key.text(seal, row).ok_or(KeyChangeError::Long)?;
    entries.add_as(KIND, row, &text);
    Ok(row)
}

/// Lifts rows of one name, and keeps the name from being used for somebody else.
fn retire(
    entries: &mut Entries,
    seal: &RowSeal,
    key: &KeyRow,
    rows: &[(Uuid, KeyRow)],
    cut: bool,
) -> Result<(), KeyChangeError> {
    let ids: Vec<_> = rows.iter().map(|(row, _)| *row).collect();
    if !add_retired(entries, seal, &RetiredRow::new(&key.name, &key.holder, &ids, cut)) {
        return Err(KeyChangeError::Long);
    }
    for id in ids {
        lift_in(entries, KIND, |entry| entry.op == id);
    }
    Ok(())
}

fn add_retired(entries: &mut Entries, seal: &RowSeal, row: &RetiredRow) -> bool {
    let id = Uuid::now_v7();
    let Some(text) = row.text(seal, id) else { return false };
    entries.add_as(RETIRED, id, &text);
    true
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
