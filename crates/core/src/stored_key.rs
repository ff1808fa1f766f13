//! Keys in the database: what a row permits (`docs/SPEC.md#database-keys`). The store crate reads and checks the rows.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::allowance::Allowance;
use crate::secret::KeyDigest;

/// The prefix of callsign's own keys. Keys in the database have it.
pub const PREFIX: &str = "sk-cs-";

/// The source of the user for requests with a key in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredGrant {
    /// A personal key: all requests are this user's.
    User(String),
    /// An app key: the app sends its users' ids in the headers of the preset with this name.
    Preset(String),
}

/// A key in the database. Only its digest is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The random id of the row.
    pub row: u128,
    /// The name in logs, metrics and statistics.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: KeyDigest,
    /// The source of the user.
    pub grant: StoredGrant,
    /// The tenant of its callers.
    pub tenant: Option<String>,
    /// The limits of its callers, as `limits` of `[[keys]]`.
    pub limits: Allowance,
    /// The client networks from which the key is accepted. Empty: all.
    pub from: Vec<IpNet>,
    /// The time from which the key is not valid.
    pub expires: Option<Timestamp>,
}

/// Parses a network or a single address.
pub fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

/// The result of a search for a key in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key is known. It may have expired.
    Key(Arc<StoredKey>),
    /// No key has this digest.
    Unknown,
    /// The list of keys is too old.
    Unavailable,
}

/// The keys in the database.
pub trait StoredKeys: std::fmt::Debug + Sync {
    /// Finds a key by its digest.
    fn find(&self, digest: KeyDigest) -> Found;
}

/// No keys in a database.
#[derive(Clone, Copy, Debug)]
pub struct NoStoredKeys;

impl StoredKeys for NoStoredKeys {
    fn find(&self, _: KeyDigest) -> Found {
        Found::Unknown
    }
}
