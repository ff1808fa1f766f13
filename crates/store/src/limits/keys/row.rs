//! Rows of keys in the state: their text, and the HMAC over all that they grant (docs/SPEC.md#key-integrity).

use std::collections::BTreeMap;

use callsign_core::allowance::{Allowance, Ceiling, Limit};
use callsign_core::identity::row_seal::{RowSeal, split};
use callsign_core::secret::KeyDigest;
use callsign_core::stored_key::{StoredGrant, StoredKey, network};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::forgotten;
use crate::state::Entry;
use crate::state::entries::{LONGEST_BODY, NUMEROUS};

/// The kind of the entries of keys.
pub const KIND: &str = NUMEROUS;
/// The kind of the entries of revoked keys. They keep names from being used for somebody else.
pub const RETIRED: &str = "retired_key";

/// The person or the app that a key is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The user of a personal key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The preset of an app's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The tenant, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// A key in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// The name.
    pub name: String,
    /// The holder.
    #[serde(flatten)]
    pub holder: Holder,
    /// SHA-256 of the key, in hexadecimal digits.
    pub(in crate::limits) digest: String,
    /// Values of limits by name, as in the configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::limits) limits: BTreeMap<String, String>,
    /// The client networks from which the key is accepted. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// The time of creation.
    pub since: Timestamp,
    /// The operator who made it.
    pub by: String,
    /// The time from which it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// True for the key before a rotation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub old: bool,
}

impl KeyRow {
    /// Creates the row of a new key.
    pub fn new(name: &str, holder: Holder, digest: KeyDigest, by: &str) -> Self {
        Self {
            name: name.to_owned(),
            holder,
            digest: digest.to_hex(),
            limits: BTreeMap::new(),
            from: Vec::new(),
            since: Timestamp::now(),
            by: by.to_owned(),
            expires: None,
            old: false,
        }
    }

    /// Returns the row with another key.
    #[must_use]
    pub fn with_digest(self, digest: KeyDigest) -> Self {
        Self { digest: digest.to_hex(), ..self }
    }

    /// Returns the row with these limits.
    #[must_use]
    pub fn with_limits(self, limits: &[(Limit, Ceiling)]) -> Self {
        let limits = limits.iter().map(|(limit, ceiling)| (limit.name().to_owned(), ceiling.shown(*limit))).collect();
        Self { limits, ..self }
    }

    /// Returns the values of limits by name.
    pub fn limits(&self) -> &BTreeMap<String, String> {
        &self.limits
    }

    /// Returns the row as the request path uses it; `None` if a part of it is invalid.
    pub fn check(&self) -> Option<StoredKey> {
        self.clone().into_stored(0)
    }

    /// Returns true if it is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Reads an entry of the state without checking the HMAC.
    pub fn read(entry: &Entry) -> Option<Self> {
        read(&entry.body)
    }

    /// Reads the text of a row as the request path uses it. `None` if this version cannot read a part of it.
    pub fn stored(row: u128, text: &str) -> Option<StoredKey> {
        read::<Self>(text)?.into_stored(row)
    }

    fn into_stored(self, row: u128) -> Option<StoredKey> {
        let Self { name, holder, digest, limits, from, expires, .. } = self;
        let Holder { user, preset, tenant } = holder;
        let grant = match (user, preset) {
            (Some(user), None) => StoredGrant::User(user),
            (None, Some(preset)) => StoredGrant::Preset(preset),
            _ => return None,
        };
        let mut allowance = Allowance::default();
        for (limit, value) in &limits {
            let limit = Limit::named(limit)?;
            *allowance.0.get_mut(limit as usize)? = Some(Ceiling::parse(limit, value).ok()?);
        }
        let from = from.iter().map(|text| network(text)).collect::<Option<_>>()?;
        let digest = KeyDigest::from_hex(&digest)?;
        Some(StoredKey { row, name, digest, grant, tenant, limits: allowance, from, expires })
    }

    /// Returns the text of the row with this id; `None` if it is too long.
    pub fn text(&self, seal: &RowSeal, row: Uuid) -> Option<String> {
        text(self, seal, KIND, row)
    }
}

/// A revoked key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredRow {
    /// The name, or its digest.
    pub name: String,
    /// The holder, with a digest instead of the user if the user was forgotten.
    #[serde(flatten)]
    pub holder: Holder,
    /// The time of the revocation.
    pub at: Timestamp,
    /// The revoked rows.
    pub rows: Vec<String>,
    /// True if running requests are ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// True if name and user are digests, because the user was forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

impl RetiredRow {
    /// Creates the row of a key that is revoked now.
    pub fn new(name: &str, holder: &Holder, rows: &[Uuid], cut: bool) -> Self {
        let rows = rows.iter().map(|row| row.simple().to_string()).collect();
        let (name, holder) = (name.to_owned(), holder.clone());
        Self { name, holder, at: Timestamp::now(), rows, cut, forgotten: false }
    }

    /// Returns the row with digests instead of the user and the name.
    #[must_use]
    pub fn forgotten(self) -> Self {
        let Self { name, holder, at, rows, cut, .. } = self;
        let user = holder.user.as_deref().map(forgotten::digest);
        Self { name: forgotten::digest(&name), holder: Holder { user, ..holder }, at, rows, cut, forgotten: true }
    }

    /// Reads an entry of the state without checking the HMAC.
    pub fn read(entry: &Entry) -> Option<Self> {
        read(&entry.body)
    }

    /// Returns true if it is of a key with this name.
    pub fn has_name(&self, name: &str) -> bool {
        if self.forgotten { self.name == forgotten::digest(name) } else { self.name == name }
    }

    /// Returns true if it was for this holder.
    pub fn is_of(&self, holder: &Holder) -> bool {
        let user = if self.forgotten { holder.user.as_deref().map(forgotten::digest) } else { holder.user.clone() };
        self.holder == Holder { user, ..holder.clone() }
    }

    /// Returns the ids of the revoked rows.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.rows.iter().filter_map(|row| row.parse().ok())
    }

    /// Returns the text of the row with this id; `None` if it is too long.
    pub fn text(&self, seal: &RowSeal, row: Uuid) -> Option<String> {
        text(self, seal, RETIRED, row)
    }
}

/// Returns true if the entry's HMAC is that of the operator's secret, and this version can read it.
pub fn is_genuine(entry: &Entry, seal: &RowSeal) -> bool {
    seal.is_genuine(&entry.kind, entry.op.as_u128(), &entry.body) && is_readable(entry)
}

/// Returns true if this version can read an entry of a key or a revoked key.
pub fn is_readable(entry: &Entry) -> bool {
    match &*entry.kind {
        KIND => KeyRow::stored(entry.op.as_u128(), &entry.body).is_some(),
        _ => RetiredRow::read(entry).is_some(),
    }
}

/// Returns true if an entry may be about a user or a name. It is a quick test before the entry is read.
pub fn mentions(entry: &Entry, text: &str) -> bool {
    serde_json::to_string(text).is_ok_and(|quoted| entry.body.contains(&quoted))
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(split(text)?.1).ok()
}

fn text(of: &impl Serialize, seal: &RowSeal, kind: &str, row: Uuid) -> Option<String> {
    let content = serde_json::to_string(of).ok()?;
    Some(seal.seal(kind, row.as_u128(), &content)).filter(|text| text.len() <= LONGEST_BODY)
}

#[cfg(test)]
mod tests;
