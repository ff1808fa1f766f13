//! What will be answered, before it has the shape of an endpoint.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::asked::Asked;
use super::call::Call;

/// The name under which the stand-in answers as a provider.
pub(super) const PROVIDER: &str = "Stand-in";

/// The model of a request that names none.
const DEFAULT_MODEL: &str = "standin/echo";

/// After how many tokens a reply that fails midway fails.
const TOKENS_BEFORE_FAILURE: usize = 3;

/// The content of one answer.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    /// `gen-<unix>-<random>`.
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// The model that was asked for.
    pub(super) model: String,
    /// The assistant's text, in the pieces in which it is streamed.
    pub(super) tokens: Vec<String>,
    /// The call that is made in place of the text, if one is.
    pub(super) call: Option<Call>,
    /// Whether it breaks off with an error inside a 200.
    pub(super) fails: bool,
    /// What it takes, as its generation record will say.
    pub(super) took: Usage,
    /// The same, unless the answer is to come without it.
    pub(super) usage: Option<Usage>,
    /// What is being answered.
    pub(super) asked: &'a Asked,
}

impl<'a> Reply<'a> {
    /// A plain reply that says what arrived.
    pub(super) fn new(id: &str, asked: &'a Asked) -> Self {
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

    /// Makes it break off with an error after a few tokens.
    pub(super) fn fail(&mut self) {
        self.tokens.truncate(TOKENS_BEFORE_FAILURE);
        self.fails = true;
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }
}

/// Seconds since 1970, for `created`.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Counts and cost of one answer, in OpenRouter's three shapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) prompt: u32,
    pub(super) completion: u32,
    pub(super) cached: u32,
    /// A part of `completion`.
    pub(super) reasoning: u32,
    /// US dollars.
    pub(super) cost: f64,
}

impl Usage {
    /// The same for every answer that does not ask for something else, so that the sums of a ledger can be checked by hand.
    pub(super) const OF_EVERY_ANSWER: Self =
        Self { prompt: 11, completion: 7, cached: 3, reasoning: 0, cost: 0.000_42 };

    fn total(self) -> u32 {
        self.prompt + self.completion
    }

    /// As chat and text completions carry it.
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

    /// As the Responses API carries it.
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

    /// As the Messages API carries it, with `output` tokens so far. It has no cost.
    pub(super) fn messages(self, output: u32) -> Value {
        json!({
            "input_tokens": self.prompt - self.cached, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached, "cache_creation": null, "output_tokens": output,
            "server_tool_use": null, "service_tier": "standard",
        })
    }
}
