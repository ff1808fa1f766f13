//! The end of a request.

/// The way in which a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The client disconnected first. This is also the initial value.
    #[default]
    ClientGone,
    /// The whole response was sent.
    Complete,
    /// The upstream aborted its response.
    UpstreamCut,
    /// The upstream stopped sending in the middle of its response (timeout).
    UpstreamSilent,
    /// callsign refused the request.
    Refused,
    /// The caller was blocked by the operator while the request was running.
    Blocked,
}

impl Outcome {
    /// Returns the name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::Complete => "complete",
            Self::UpstreamCut => "upstream_cut",
            Self::UpstreamSilent => "upstream_silent",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
        }
    }
}
