//! The settings of the archive.

use std::path::PathBuf;

use callsign_core::secret::Secret;

/// The archive's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory and password; `None` turns the archive off.
    pub place: Option<Place>,
    /// Age in days at which archives are removed.
    pub retention_days: u32,
    /// True if requests that cannot be archived are refused.
    pub required: bool,
    /// `archive.by_default`: applies to callers whose key and tenant have no `archive` setting.
    pub by_default: bool,
    /// Percentage of chats that are archived.
    pub sample_percent: u64,
    /// Maximum recorded bytes of one body.
    pub max_body: usize,
    /// Maximum memory of all records together, in bytes.
    pub max_memory: usize,
}

/// The location and the key of archives.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directory of archives.
    pub directory: PathBuf,
    /// The password that archives are encrypted with.
    pub password: Secret,
}

impl Settings {
    /// Settings that turn the archive off.
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
