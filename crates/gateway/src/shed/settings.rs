//! The settings of load shedding.

/// The configured limits (`docs/SPEC.md#list-of-settings`). [`super::LoadLimits`] computes the limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `CALLSIGN_MAX_CONNECTIONS`: open connections. `None`: as many as the open-files limit allows.
    pub connections: Option<usize>,
    /// `CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS`. `None`: three quarters of all.
    pub connections_per_address: Option<usize>,
    /// `CALLSIGN_MAX_IN_FLIGHT`: running requests of all callers.
    pub in_flight: usize,
    /// `CALLSIGN_MAX_IN_FLIGHT_PER_CALLER`. `None`: an eighth of all, at least 64; for a key without users three
    /// quarters.
    pub in_flight_per_caller: Option<usize>,
}
