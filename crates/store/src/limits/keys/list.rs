//! The keys in the database as lists show them, without keys and digests.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::row::KeyRow;
use crate::ledger::report::{Cells, csv, time};

/// The state of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Accepted.
    Valid,
    /// Accepted until its end, because it was replaced by a rotation.
    Old,
    /// Its time is over.
    Expired,
    /// Its HMAC is wrong: it was not written by callsign with this `CALLSIGN_ID_SECRET`.
    Refused,
}

impl KeyState {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Old => "old",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}

/// A row as lists show it.
#[derive(Clone, Debug)]
pub struct ListedKey {
    /// The row.
    pub row: KeyRow,
    /// Its state.
    pub state: KeyState,
}

impl ListedKey {
    /// Creates it. `is_genuine` is true if the HMAC is right.
    pub fn new(row: KeyRow, is_genuine: bool, now: Timestamp) -> Self {
        let state = match row.is_valid(now) {
            _ if !is_genuine => KeyState::Refused,
            false => KeyState::Expired,
            true if row.old => KeyState::Old,
            true => KeyState::Valid,
        };
        Self { row, state }
    }
}

/// Formats keys as JSON.
pub fn keys_json(keys: &[ListedKey]) -> Value {
    keys.iter().map(|key| Value::Object(cells(key).into_iter().collect::<Map<_, _>>())).collect()
}

/// Formats keys as CSV (RFC 4180) with a header line.
pub fn keys_csv(keys: &[ListedKey]) -> String {
    let example = KeyRow::new("", super::row::Holder::default(), callsign_core::secret::KeyDigest::of(b""), "");
    csv(cells(&ListedKey { row: example, state: KeyState::Valid }), keys.iter().map(cells))
}

/// Returns the members of a key in the admin API.
pub fn cells(key: &ListedKey) -> Cells {
    let KeyRow { name, holder, from, since, by, expires, .. } = &key.row;
    let limits = key.row.limits().iter().map(|(limit, value)| format!("{limit}={value}")).collect::<Vec<_>>();
    let cells = [
        ("name", json!(name)),
        ("user", json!(holder.user)),
        ("preset", json!(holder.preset)),
        ("tenant", json!(holder.tenant)),
        ("state", json!(key.state.name())),
        ("since", time(Some(*since))),
        ("by", json!(by)),
        ("expires", time(*expires)),
        ("limits", json!(limits.join(" "))),
        ("allowed_networks", json!(from.join(" "))),
    ];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}
