//! The content of a response, independent of the endpoint's format.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::asked::ParsedRequest;
use super::call::Call;

/// The provider name in responses.
pub(super) const PROVIDER: &str = "Mock";

/// The model in the response to a request without one.
const DEFAULT_MODEL: &str = "mock/echo";

/// Number of tokens before the error of a reply that fails midway.
const TOKENS_BEFORE_FAILURE: usize = 3;

/// The content of one response.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    /// `gen-<unix>-<random>`.
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// The requested model.
    pub(super) model: String,
    /// The assistant's text, split as it is streamed.
    pub(super) tokens: Vec<String>,
    /// A tool call in place of the text.
    pub(super) call: Option<Call>,
    /// True if the reply ends with an error inside a 200.
    pub(super) fails: bool,
    /// The usage in the generation record.
    pub(super) took: Usage,
    /// The usage in the response; `None` for the behaviour `no-usage`.
    pub(super) usage: Option<Usage>,
    /// The request.
    pub(super) asked: &'a ParsedRequest,
}

impl<'a> Reply<'a> {
    /// Creates a plain reply that lists the received identifiers and headers.
    pub(super) fn new(id: &str, asked: &'a ParsedRequest) -> Self {
        Self {
            id: id.to_owned(),
            created: now(),
            model: asked.text("model").unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            tokens: super::story::tell(asked).split_inclusive([' ', '\n']).map(str::to_owned).collect(),
            call: None,
            fails: false,
            took: Usage::OF_EVERY_ANSWER,
            usage: Some(Usage::OF_EVERY_ANSWER),
            asked,
        }
    }

    /// Makes the reply fail after [`TOKENS_BEFORE_FAILURE`] tokens.
    pub(super) fn fail(&mut self) {
        self.tokens.truncate(TOKENS_BEFORE_FAILURE);
        self.fails = true;
    }

    /// Returns the complete text.
    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }
}

/// Returns the current time in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Token counts and cost of one response, in OpenRouter's three formats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) prompt: u32,
    pub(super) completion: u32,
    pub(super) cached: u32,
    /// Included in `completion`.
    pub(super) reasoning: u32,
    /// Cost in US dollars.
    pub(super) cost: f64,
}

impl Usage {
    /// The usage of every response without a behaviour that changes it, so that a ledger's sums can be checked by hand.
    pub(super) const OF_EVERY_ANSWER: Self =
        Self { prompt: 11, completion: 7, cached: 3, reasoning: 0, cost: 0.000_42 };

    fn total(self) -> u32 {
        self.prompt + self.completion
    }

    /// Returns the format of chat and text completions.
    pub(super) fn chat(self) -> Value {
        json!({
            "prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": self.total(),
            "cost": self.cost, "is_byok": false,
            "prompt_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
            "cost_details": {
                "upstream_inference_cost": self.cost, "upstream_inference_prompt_cost": 0.000_11,
                "upstream_inference_completions_cost": 0.000_31,
            },
            "completion_tokens_details": {"reasoning_tokens": self.reasoning, "image_tokens": 0, "audio_tokens": 0},
        })
    }

    /// Returns the format of the Responses API.
    pub(super) fn responses(self) -> Value {
        json!({
            "input_tokens": self.prompt, "input_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": 0},
            "output_tokens": self.completion, "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.total(), "cost": self.cost, "is_byok": false,
            "cost_details": {
                "upstream_inference_cost": self.cost, "upstream_inference_input_cost": 0.000_11,
                "upstream_inference_output_cost": 0.000_31,
            },
        })
    }

    /// Returns the format of the Messages API with `output` tokens so far. It has no cost.
    pub(super) fn messages(self, output: u32) -> Value {
        json!({
            "input_tokens": self.prompt - self.cached, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached, "cache_creation": null, "output_tokens": output,
            "server_tool_use": null, "service_tier": "standard",
        })
    }
}
