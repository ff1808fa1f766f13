//! The options of a mock server.

use std::time::Duration;

/// Options of a mock server.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Pause between two chunks of every response, so that a person sees the stream; none by default.
    pub pace: Option<Duration>,
    /// True (the default) if requests and responses are recorded in full. `--demo` sets it to false to bound its
    /// memory.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { pace: None, keep: true }
    }
}

impl Options {
    /// The options of `serve --demo`: a visible stream; only the latest generation records are kept.
    pub const DEMO: Self = Self { pace: Some(Duration::from_millis(30)), keep: false };
}
