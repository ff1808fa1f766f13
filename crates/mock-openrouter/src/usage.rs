//! Token counts and costs of one response, in OpenRouter's formats.

use serde_json::{Value, json};

use super::money::dollars;

/// Token counts and costs of one response. Amounts are in nano-dollars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Includes `cached` and `cache_write`.
    pub(super) prompt: u32,
    pub(super) completion: u32,
    pub(super) cached: u32,
    pub(super) cache_write: u32,
    /// Included in `completion`.
    pub(super) reasoning: u32,
    /// OpenRouter's charge for the inference.
    pub(super) inference: u64,
    /// OpenRouter's charge for server tools.
    pub(super) tools: Option<u64>,
    /// The provider's charge to the operator, if the request used the operator's own key at the provider.
    pub(super) byok: Option<u64>,
}

impl Usage {
    /// The usage of every response without a behaviour that changes it, so that a ledger's sums can be checked by hand.
    pub(super) const OF_EVERY_ANSWER: Self = Self {
        prompt: 11,
        completion: 7,
        cached: 3,
        cache_write: 0,
        reasoning: 0,
        inference: 420_000,
        tools: None,
        byok: None,
    };

    /// Returns everything that OpenRouter charges.
    pub(super) fn cost(self) -> u64 {
        self.inference.saturating_add(self.tools.unwrap_or(0))
    }

    /// Returns what the provider charges the operator directly.
    pub(super) fn provider_cost(self) -> u64 {
        self.byok.unwrap_or(0)
    }

    fn total(self) -> u64 {
        u64::from(self.prompt) + u64::from(self.completion)
    }

    /// Adds the costs to a usage object. `names` are those of the provider's costs for the prompt and the completion.
    fn add_costs(self, usage: &mut Value, names: [&str; 2]) {
        let upstream = self.byok.unwrap_or(self.inference);
        // 0.00011 of the usual 0.00042 dollars.
        let prompt = upstream * 11 / 42;
        usage["cost"] = dollars(self.cost());
        usage["is_byok"] = json!(self.byok.is_some());
        let details = &mut usage["cost_details"];
        details["upstream_inference_cost"] = dollars(upstream);
        let [prompt_name, completion_name] = names;
        details[prompt_name] = dollars(prompt);
        details[completion_name] = dollars(upstream - prompt);
        if let Some(tools) = self.tools {
            details["server_tool_cost"] = dollars(tools);
        }
    }

    /// Returns the format of chat and text completions.
    pub(super) fn chat(self) -> Value {
        let mut usage = json!({
            "prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": self.total(),
        });
        self.add_costs(&mut usage, ["upstream_inference_prompt_cost", "upstream_inference_completions_cost"]);
        usage["prompt_tokens_details"] = json!({
            "cached_tokens": self.cached, "cache_write_tokens": self.cache_write, "audio_tokens": 0, "video_tokens": 0,
        });
        usage["completion_tokens_details"] =
            json!({"reasoning_tokens": self.reasoning, "image_tokens": 0, "audio_tokens": 0});
        usage
    }

    /// Returns the format of the Responses API.
    pub(super) fn responses(self) -> Value {
        let mut usage = json!({
            "input_tokens": self.prompt,
            "input_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": self.cache_write},
            "output_tokens": self.completion, "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.total(),
        });
        self.add_costs(&mut usage, ["upstream_inference_input_cost", "upstream_inference_output_cost"]);
        usage
    }

    /// Returns the format of the Messages API with `output` tokens so far. It has no cost.
    pub(super) fn messages(self, output: u32) -> Value {
        json!({
            "input_tokens": self.prompt.saturating_sub(self.cached).saturating_sub(self.cache_write),
            "cache_creation_input_tokens": self.cache_write, "cache_read_input_tokens": self.cached,
            "cache_creation": null, "output_tokens": output, "server_tool_use": null, "service_tier": "standard",
        })
    }

    /// Returns the format of embeddings: only prompt tokens.
    pub(super) fn embeddings(self) -> Value {
        self.with_costs(json!({"prompt_tokens": self.prompt, "total_tokens": self.prompt}))
    }

    /// Returns the format of rerank.
    pub(super) fn rerank(self) -> Value {
        self.with_costs(json!({"total_tokens": self.prompt, "search_units": 1}))
    }

    /// Returns the format of System One. It has no details of tokens and cost.
    pub(super) fn decisions(self) -> Value {
        json!({"input_tokens": self.prompt, "output_tokens": self.completion, "cost": dollars(self.cost())})
    }

    /// Returns the format of transcriptions. It has no details of the cost.
    pub(super) fn transcription(self) -> Value {
        json!({
            "seconds": 1.0, "input_tokens": self.prompt, "output_tokens": self.completion,
            "total_tokens": self.total(), "cost": dollars(self.cost()),
        })
    }

    fn with_costs(self, mut usage: Value) -> Value {
        self.add_costs(&mut usage, ["upstream_inference_prompt_cost", "upstream_inference_completions_cost"]);
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::super::money::nano;
    use super::*;

    #[test]
    fn the_parts_of_a_cost_sum_up() {
        for inference in [0, 1, 7, 420_000, 999_999_999_999] {
            let usage = Usage { inference, tools: Some(5), ..Usage::OF_EVERY_ANSWER };
            let (chat, responses) = (usage.chat(), usage.responses());
            for (usage, parts) in [(&chat, ["prompt", "completions"]), (&responses, ["input", "output"])] {
                let details = &usage["cost_details"];
                let parts = parts.map(|part| nano(&details[format!("upstream_inference_{part}_cost")]));
                assert_eq!(parts[0] + parts[1], inference, "{usage}");
                assert_eq!(nano(&details["upstream_inference_cost"]), inference);
                assert_eq!(nano(&details["server_tool_cost"]), 5);
                assert_eq!(nano(&usage["cost"]), inference + 5);
            }
        }
    }

    #[test]
    fn the_largest_counts_do_not_overflow() {
        let usage = Usage { prompt: u32::MAX, completion: u32::MAX, cached: u32::MAX, ..Usage::OF_EVERY_ANSWER };
        assert_eq!(usage.chat()["total_tokens"], 8_589_934_590_u64);
        assert_eq!(usage.messages(0)["input_tokens"], 0);
    }
}
