//! The members of responses that matter, as a table.
//!
//! All endpoints share one table, because their names do not collide. Names are compared as they are written.
//! OpenRouter does not escape them, so a name in `\u` spelling is not found.

/// An object or array whose members are read. All others are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The document.
    Top,
    /// The response inside an event: `response` of the Responses API, `message` of Messages' `message_start`.
    Answer,
    /// The array `choices`.
    Choices,
    /// An element of `choices`; it can contain an error.
    Choice,
    /// `usage`.
    Usage,
    /// `prompt_tokens_details` and the other objects of details in `usage`.
    Details,
    /// `error`.
    Error,
    /// An error's `metadata`.
    ErrorMetadata,
    /// The array `reasons` in an error's `metadata`; only moderation errors have it.
    Reasons,
}

/// The meaning of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// Irrelevant.
    Other,
    /// The generation id.
    Id,
    /// The model.
    Model,
    /// The provider.
    Provider,
    /// The type of an event.
    EventType,
    /// The type of an error.
    Type,
    /// The code of an error, a number or text.
    Code,
    /// OpenRouter's own type of an error, which all endpoints share.
    ErrorType,
    /// An error.
    Error,
    /// A number.
    Figure(Figure),
    /// A container whose members matter: an array for `Choices` and `Reasons`, otherwise an object.
    Inner(Scope),
}

/// A number in `usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// `prompt_tokens`, including cached ones.
    Prompt,
    /// `input_tokens`; whether cached ones are included depends on the dialect.
    Input,
    /// `completion_tokens` or `output_tokens`.
    Output,
    /// `total_tokens`, the only number of rerank.
    Total,
    /// `cached_tokens`.
    Cached,
    /// `cache_read_input_tokens`.
    CacheRead,
    /// `cache_creation_input_tokens`.
    CacheCreation,
    /// `reasoning_tokens`.
    Reasoning,
    /// `cost`, in dollars.
    Cost,
}

impl Member {
    /// Returns the meaning of `name` in `scope`.
    pub(super) fn of(scope: Scope, name: &[u8]) -> Self {
        match scope {
            Scope::Top => match name {
                b"type" => Self::EventType,
                b"code" => Self::Code,
                b"choices" => Self::Inner(Scope::Choices),
                b"response" | b"message" => Self::Inner(Scope::Answer),
                _ => Self::of_answer(name),
            },
            Scope::Answer => Self::of_answer(name),
            Scope::Choices => Self::Inner(Scope::Choice),
            Scope::Choice if name == b"error" => Self::Error,
            Scope::Usage => Self::of_usage(name),
            Scope::Details => match name {
                b"cached_tokens" => Self::Figure(Figure::Cached),
                b"reasoning_tokens" => Self::Figure(Figure::Reasoning),
                _ => Self::Other,
            },
            Scope::Error => match name {
                b"type" => Self::Type,
                b"code" => Self::Code,
                b"error_type" => Self::ErrorType,
                b"metadata" => Self::Inner(Scope::ErrorMetadata),
                _ => Self::Other,
            },
            Scope::ErrorMetadata if name == b"error_type" => Self::ErrorType,
            Scope::ErrorMetadata if name == b"reasons" => Self::Inner(Scope::Reasons),
            Scope::Choice | Scope::ErrorMetadata | Scope::Reasons => Self::Other,
        }
    }

    fn of_answer(name: &[u8]) -> Self {
        match name {
            b"id" | b"request_id" => Self::Id,
            b"model" => Self::Model,
            b"provider" => Self::Provider,
            b"usage" => Self::Inner(Scope::Usage),
            b"error" => Self::Error,
            b"error_type" => Self::ErrorType,
            _ => Self::Other,
        }
    }

    fn of_usage(name: &[u8]) -> Self {
        Self::Figure(match name {
            b"prompt_tokens" => Figure::Prompt,
            b"input_tokens" => Figure::Input,
            b"completion_tokens" | b"output_tokens" => Figure::Output,
            b"total_tokens" => Figure::Total,
            b"cache_read_input_tokens" => Figure::CacheRead,
            b"cache_creation_input_tokens" => Figure::CacheCreation,
            b"cost" => Figure::Cost,
            b"prompt_tokens_details"
            | b"input_tokens_details"
            | b"completion_tokens_details"
            | b"output_tokens_details" => return Self::Inner(Scope::Details),
            _ => return Self::Other,
        })
    }

    /// Returns the scope of the member's value if the value is an object; `None` if the object is skipped.
    pub(super) fn object(self) -> Option<Scope> {
        match self {
            Self::Error => Some(Scope::Error),
            Self::Inner(scope) if !matches!(scope, Scope::Choices | Scope::Reasons) => Some(scope),
            _ => None,
        }
    }

    /// Returns the scope of the member's value if the value is an array; `None` if the array is skipped.
    pub(super) fn array(self) -> Option<Scope> {
        match self {
            Self::Inner(scope @ (Scope::Choices | Scope::Reasons)) => Some(scope),
            _ => None,
        }
    }

    /// Returns true if a text, number or literal as its value matters.
    pub(super) fn wants_scalar(self) -> bool {
        !matches!(self, Self::Other | Self::Inner(_))
    }
}
