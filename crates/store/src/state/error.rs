//! Errors of the places of state.

/// An error of opening, reading or changing a place of state. Its text contains no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The place does not answer, or refuses.
    #[error("the state in {place} is unavailable: {reason}")]
    Unavailable {
        /// The place.
        place: &'static str,
        /// The reason.
        reason: String,
    },
    /// A command found a database that no server of this version has prepared.
    #[error("the state in {0} has no tables of this version: start `callsign serve` once; commands never migrate")]
    NotPrepared(&'static str),
    /// The tables are of a newer version.
    #[error("the state in {0} was written by a newer callsign: use that version")]
    Newer(&'static str),
    /// The file is damaged.
    #[error(
        "cannot read state.db in the data directory (CALLSIGN_DATA_DIR): {0}; it has the list of blocks: restore it \
         from a copy, or move it and state.version away to start with an empty list"
    )]
    Damaged(String),
    /// The file is gone, empty or an old copy: callsign has written a later version of it.
    #[error(
        "state.db in the data directory (CALLSIGN_DATA_DIR) is missing, empty or an old copy: it has version {found}, \
         and callsign has written version {latest}; blocks would be lost: put the latest state.db back, or delete \
         state.version beside it to go on without them"
    )]
    Outdated {
        /// The version in the file; 0 if it is empty.
        found: i64,
        /// The latest version.
        latest: i64,
    },
    /// No place is configured that a server could read.
    #[error("no state is shared with a server: set CALLSIGN_DATA_DIR, CALLSIGN_LEDGER or CALLSIGN_LIMIT_STORE")]
    Nowhere,
    /// The address of the place is invalid.
    #[error("the address of {0} is invalid")]
    Address(&'static str),
}

impl StateError {
    /// Returns true if `state.db` failed.
    pub fn is_of_file(&self) -> bool {
        match self {
            Self::Unavailable { place, .. } | Self::NotPrepared(place) | Self::Newer(place) => *place == "state.db",
            Self::Damaged(_) | Self::Outdated { .. } => true,
            Self::Nowhere | Self::Address(_) => false,
        }
    }
}
