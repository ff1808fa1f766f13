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
    /// A piece of output: `delta` or `message` of a choice, `delta` or `content_block` of Messages, `item` or `part` of
    /// the Responses API.
    Piece,
    /// `usage`.
    Usage,
    /// `prompt_tokens_details` and the other objects of details in `usage`.
    Details,
    /// `cost_details` in `usage`.
    CostDetails,
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
    /// The reason for which a choice ended.
    FinishReason,
    /// The type of an error.
    Type,
    /// The code of an error, a number or text.
    Code,
    /// OpenRouter's own type of an error, which all endpoints share.
    ErrorType,
    /// An error of the answer.
    Error,
    /// An error of one choice.
    ChoiceError,
    /// Output, unless it is empty: text, an array or an object.
    Output,
    /// Output, if it is text that is not empty.
    OutputText,
    /// Output, if it is text that is not empty; or an object with output.
    Delta,
    /// `response`, the response inside an event of the Responses API.
    Response,
    /// `is_byok`: the operator's own key at the provider paid.
    Byok,
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
    /// `cache_write_tokens`.
    CacheWrite,
    /// `cache_read_input_tokens`.
    CacheRead,
    /// `cache_creation_input_tokens`.
    CacheCreation,
    /// `reasoning_tokens`.
    Reasoning,
    /// `cost`, in dollars, as are all following ones.
    Cost,
    /// `upstream_inference_cost`.
    Upstream,
    /// `upstream_inference_prompt_cost` or `upstream_inference_input_cost`.
    UpstreamInput,
    /// `upstream_inference_completions_cost` or `upstream_inference_output_cost`.
    UpstreamOutput,
    /// `server_tool_cost`.
    ServerTool,
}

impl Figure {
    /// The number of figures.
    pub(super) const COUNT: usize = Self::ServerTool as usize + 1;

    /// Returns true for dollars, false for tokens.
    pub(super) fn is_cost(self) -> bool {
        self as usize >= Self::Cost as usize
    }
}

impl Member {
    /// Returns the meaning of `name` in `scope`.
    pub(super) fn of(scope: Scope, name: &[u8]) -> Self {
        match scope {
            Scope::Top => match name {
                b"type" => Self::EventType,
                b"code" => Self::Code,
                b"choices" => Self::Inner(Scope::Choices),
                b"response" => Self::Response,
                b"message" => Self::Inner(Scope::Answer),
                b"delta" => Self::Delta,
                b"item" | b"part" | b"content_block" => Self::Inner(Scope::Piece),
                b"b64_json" | b"partial_image_b64" => Self::OutputText,
                _ => Self::of_answer(name),
            },
            Scope::Answer => Self::of_answer(name),
            Scope::Choices => Self::Inner(Scope::Choice),
            Scope::Choice => match name {
                b"error" => Self::ChoiceError,
                b"finish_reason" => Self::FinishReason,
                b"text" => Self::OutputText,
                b"delta" | b"message" => Self::Inner(Scope::Piece),
                _ => Self::Other,
            },
            Scope::Piece => Self::of_piece(name),
            Scope::Usage => Self::of_usage(name),
            Scope::Details => match name {
                b"cached_tokens" => Self::Figure(Figure::Cached),
                b"cache_write_tokens" => Self::Figure(Figure::CacheWrite),
                b"reasoning_tokens" => Self::Figure(Figure::Reasoning),
                _ => Self::Other,
            },
            Scope::CostDetails => Self::of_cost(name),
            Scope::Error => match name {
                b"type" => Self::Type,
                b"code" => Self::Code,
                b"error_type" => Self::ErrorType,
                b"metadata" => Self::Inner(Scope::ErrorMetadata),
                _ => Self::Other,
            },
            Scope::ErrorMetadata if name == b"error_type" => Self::ErrorType,
            Scope::ErrorMetadata if name == b"reasons" => Self::Inner(Scope::Reasons),
            Scope::ErrorMetadata | Scope::Reasons => Self::Other,
        }
    }

    /// `text` is output of a transcription; in a Responses object it is an object of settings.
    fn of_answer(name: &[u8]) -> Self {
        match name {
            b"id" | b"request_id" => Self::Id,
            b"model" => Self::Model,
            b"provider" => Self::Provider,
            b"usage" => Self::Inner(Scope::Usage),
            b"error" => Self::Error,
            b"error_type" => Self::ErrorType,
            b"output" | b"content" | b"data" | b"results" | b"answers" => Self::Output,
            b"text" => Self::OutputText,
            _ => Self::Other,
        }
    }

    /// `name` is that of a called tool.
    fn of_piece(name: &[u8]) -> Self {
        match name {
            b"content" | b"reasoning" | b"reasoning_content" | b"reasoning_details" | b"refusal" | b"tool_calls"
            | b"function_call" | b"audio" | b"images" | b"thinking" | b"partial_json" | b"summary" | b"result"
            | b"data" | b"encrypted_content" => Self::Output,
            b"text" | b"name" => Self::OutputText,
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
            b"is_byok" => return Self::Byok,
            b"cost_details" => return Self::Inner(Scope::CostDetails),
            b"prompt_tokens_details"
            | b"input_tokens_details"
            | b"completion_tokens_details"
            | b"output_tokens_details" => return Self::Inner(Scope::Details),
            _ => return Self::Other,
        })
    }

    fn of_cost(name: &[u8]) -> Self {
        Self::Figure(match name {
            b"upstream_inference_cost" => Figure::Upstream,
            b"upstream_inference_prompt_cost" | b"upstream_inference_input_cost" => Figure::UpstreamInput,
            b"upstream_inference_completions_cost" | b"upstream_inference_output_cost" => Figure::UpstreamOutput,
            b"server_tool_cost" => Figure::ServerTool,
            _ => return Self::Other,
        })
    }

    /// Returns the scope of the member's value if the value is an object; `None` if the object is skipped.
    pub(super) fn object(self) -> Option<Scope> {
        match self {
            Self::Error | Self::ChoiceError => Some(Scope::Error),
            Self::Delta => Some(Scope::Piece),
            Self::Response => Some(Scope::Answer),
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

    /// Returns true if a text as its value is output unless it is empty.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Output | Self::OutputText | Self::Delta)
    }

    /// Returns true if a text, number or literal as its value is read.
    pub(super) fn wants_scalar(self) -> bool {
        !matches!(self, Self::Other | Self::Response | Self::Inner(_)) && !self.is_text()
    }
}
