//! Changes of the rows of keys: which names may be used, adding, revoking, forgetting. No I/O.

use std::collections::HashSet;

use callsign_core::identity::row_seal::RowSeal;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::row::{Holder, KIND, KeyRow, RETIRED, RetiredRow, is_genuine, mentions};
use crate::state::{Entries, Entry};

/// Maximum number of keys.
pub const MOST_KEYS: usize = 200_000;
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

/// Returns the rows of revoked keys whose requests may still run, each with true if they must end.
pub fn revoked(entries: &Entries, seal: Option<&RowSeal>, now: Timestamp) -> Vec<(u128, bool)> {
    let Some(seal) = seal else { return Vec::new() };
    let since_ms = now.saturating_sub(RUNNING).map_or(0, Timestamp::as_millisecond);
    // The first 48 bits of an id are its time in milliseconds.
    let is_late = |entry: &&Entry| (entry.op.as_u128() >> 80) >= u128::try_from(since_ms).unwrap_or_default();
    let late = entries.of(RETIRED).filter(is_late).filter(|entry| is_genuine(entry, seal));
    late.filter_map(RetiredRow::read)
        .flat_map(|row| row.ids().map(|id| (id.as_u128(), row.cut)).collect::<Vec<_>>())
        .collect()
}

/// Revokes the keys of a forgotten user, and replaces the user and the names of revoked keys by digests. `is_of` is true
/// for the user's id and tenant (empty for none), `names` are the user's. Returns the number of rows.
pub fn forget(
    entries: &mut Entries,
    seal: Option<&RowSeal>,
    names: &[String],
    is_of: impl Fn(&str, &str) -> bool,
) -> usize {
    let Some(seal) = seal else { return 0 };
    let is_mentioned = |entry: &&Entry| names.iter().any(|name| mentions(entry, name));
    let is_theirs = |holder: &Holder| {
        holder.user.as_deref().is_some_and(|user| is_of(user, holder.tenant.as_deref().unwrap_or_default()))
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
///
/// # Errors
/// [`KeyChangeError`].
pub fn check_name(entries: &Entries, name: &str, holder: &Holder) -> Result<(), KeyChangeError> {
    let rows = entries.of(KIND).filter(|entry| mentions(entry, name)).filter_map(KeyRow::read);
    if let Some(other) = rows.into_iter().find(|row| row.name == name) {
        return Err(if other.holder == *holder { KeyChangeError::Exists } else { KeyChangeError::Taken });
    }
    let mut retired = entries.of(RETIRED).filter_map(RetiredRow::read);
    let is_of_others = retired.any(|row| row.has_name(name) && !row.is_of(holder));
    if is_of_others { Err(KeyChangeError::Taken) } else { Ok(()) }
}

/// Returns the genuine rows of a name.
pub fn rows(entries: &Entries, name: &str, seal: &RowSeal) -> Vec<(Uuid, KeyRow)> {
    let rows = entries.of(KIND).filter(|entry| mentions(entry, name) && is_genuine(entry, seal));
    let rows = rows.filter_map(|entry| Some((entry.op, KeyRow::read(entry)?)));
    rows.filter(|(_, row)| row.name == name).collect()
}

/// Adds a row. Its id is later than every revocation of its name, whatever the clock says.
///
/// # Errors
/// [`KeyChangeError`].
pub fn add(entries: &mut Entries, seal: &RowSeal, key: &KeyRow) -> Result<Uuid, KeyChangeError> {
    let retired = entries.of(RETIRED).filter_map(|entry| Some((entry.op, RetiredRow::read(entry)?)));
    let latest = retired.filter(|(_, row)| row.has_name(&key.name)).map(|(op, _)| op.as_u128()).max();
    let row = Uuid::from_u128(Uuid::now_v7().as_u128().max(latest.unwrap_or_default().saturating_add(1)));
    let text = key.text(seal, row).ok_or(KeyChangeError::Long)?;
    entries.add_as(KIND, row, &text);
    Ok(row)
}

/// Lifts rows of one name, and keeps the name from being used for somebody else.
///
/// # Errors
/// [`KeyChangeError`].
pub fn retire(
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
        entries.lift(KIND, id);
    }
    Ok(())
}

fn add_retired(entries: &mut Entries, seal: &RowSeal, row: &RetiredRow) -> bool {
    let id = Uuid::now_v7();
    let Some(text) = row.text(seal, id) else { return false };
    entries.add_as(RETIRED, id, &text);
    true
}
