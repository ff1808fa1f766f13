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
    /// The most requests whose book entry and generation record are kept; 262,144 by default. The oldest are dropped
    /// first. One takes about 500 bytes.
    pub book_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { pace: None, keep: true, book_entries: 1 << 18 }
    }
}

impl Options {
    /// The options of `serve --demo`: a visible stream; only the latest book entries and generation records are kept.
    pub const DEMO: Self = Self { pace: Some(Duration::from_millis(30)), keep: false, book_entries: 1024 };
}
