//! The reasons for refusing a connection or request because of load or shutdown.

/// The reason why a connection or request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverloadError {
    /// The maximum number of connections is open.
    #[error("callsign has reached its maximum number of connections; retry in a moment")]
    Connections,
    /// One address has its maximum number of connections open.
    #[error("your address has reached its maximum number of connections; close some, or retry in a moment")]
    Address,
    /// The process is shutting down, so a response would probably be cut off.
    #[error("callsign is shutting down and accepts no new requests; retry")]
    Draining,
    /// The maximum number of requests is in flight.
    #[error("callsign has reached its maximum number of requests in flight; retry in a moment")]
    InFlight,
    /// One caller has its share of the requests in flight.
    #[error("you have reached your maximum number of requests in flight; wait until one has ended")]
    Caller,
    /// The memory for compressed bodies is used up.
    #[error("callsign has reached its maximum number of compressed bodies; retry, or send this one uncompressed")]
    Decoders,
    /// One caller has its share of the memory for compressed bodies.
    #[error(
        "you have reached your maximum number of compressed bodies that are being uploaded; wait until one has ended, \
         or send this one uncompressed"
    )]
    CallerDecoders,
}

impl OverloadError {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Connections,
        Self::Address,
        Self::Draining,
        Self::InFlight,
        Self::Caller,
        Self::Decoders,
        Self::CallerDecoders,
    ];

    /// Returns the name in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Address => "address",
            Self::Draining => "draining",
            Self::InFlight => "in_flight",
            Self::Decoders => "decoders",
            Self::Caller => "caller",
            Self::CallerDecoders => "caller_decoders",
        }
    }
}
