//! The settings of the archive.

use std::path::PathBuf;

use callsign_core::secret::Secret;

/// The archive's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where archives go; `None` is off.
    pub place: Option<Place>,
    /// Archives that were written longer ago are removed.
    pub retention_days: u32,
    /// Whether a request that could not be archived is refused.
    pub required: bool,
    /// Whether callers are archived of whose key and tenant it is not said.
    pub by_default: bool,
    /// Conversations of a hundred.
    pub sample_percent: u64,
    /// The most that is kept of one body, in bytes.
    pub max_body: usize,
    /// The most memory that all records together take, in bytes.
    pub max_memory: usize,
}

/// What it takes to read archives, and to write them.
#[derive(Clone, Debug)]
pub struct Place {
    /// Their directory.
    pub directory: PathBuf,
    /// Their password.
    pub password: Secret,
}

impl Settings {
    /// Nothing is archived.
    pub const OFF: Self = Self {
        place: None,
        retention_days: 90,
        required: false,
        by_default: true,
        sample_percent: 100,
        max_body: 32 << 20,
        max_memory: 256 << 20,
    };
}
