//! The progress of a response.

/// The events in a piece of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// True if the first output came with this piece (docs/SPEC.md#time-to-first-output). An event has come once its
    /// document is complete. At most one piece has it.
    pub first_output: bool,
    /// The position in this piece of the byte that makes the answer whole: the one that ends the data line of the
    /// stream's last event, or the document's closing brace (docs/SPEC.md#strict-mode). At most one piece has it.
    pub final_at: Option<usize>,
}
