//! The result of reading a response.

use crate::usage::Usage;

/// The statements of a response about itself. It does not depend on how the bytes were split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseUsage {
    /// OpenRouter's id of the generation: an `id` (or an error's `request_id`) that begins with `gen-`, at most 256
    /// bytes.
    pub generation: Option<String>,
    /// The model that answered, at most 256 bytes. The text is OpenRouter's and untrusted, as is `provider`.
    pub model: Option<String>,
    /// The provider that answered, at most 256 bytes.
    pub provider: Option<String>,
    /// Tokens and cost. The figures of a stream are cumulative, so the largest of each counts.
    pub usage: Usage,
    /// True if the response has delivered output: text, reasoning, a tool call, audio or an image.
    pub has_output: bool,
    /// True if the last event or the end of the document has passed, so that a client has the whole answer.
    pub is_whole: bool,
    /// The type of the error in the response: OpenRouter's `error_type`, else `type`, else `code`, else `error`. At
    /// most 64 of `A-Z a-z 0-9 _ - .`, so that it cannot be a message.
    pub error: Option<String>,
}
