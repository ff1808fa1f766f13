//! The degree to which OpenRouter can attribute a request to a user (`docs/SPEC.md#unattributed-traffic`).

/// The user identifier of a request, as OpenRouter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribution {
    /// The caller has a user id, and its identifier is sent.
    Present,
    /// The caller has no user id; an identifier is sent that all callers without one share.
    Shared,
    /// The caller has no user id, and no user identifier is sent.
    Absent,
    /// The caller has a user id, but no user identifier is sent: the valve is off, or a limit was exceeded.
    Omitted,
}

impl Attribution {
    /// All values.
    pub const ALL: [Self; 4] = [Self::Present, Self::Shared, Self::Absent, Self::Omitted];

    /// Returns the attribution of a request.
    pub fn of(has_user_id: bool, is_sent: bool) -> Self {
        match (has_user_id, is_sent) {
            (true, true) => Self::Present,
            (true, false) => Self::Omitted,
            (false, true) => Self::Shared,
            (false, false) => Self::Absent,
        }
    }

    /// Returns the name in log lines and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Shared => "shared",
            Self::Absent => "absent",
            Self::Omitted => "omitted",
        }
    }

    /// Returns true if callsign itself does not know the user.
    pub fn lacks_user_id(self) -> bool {
        matches!(self, Self::Shared | Self::Absent)
    }
}
