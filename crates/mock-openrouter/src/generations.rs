//! Generation records: the responses of `GET /generation?id=…` about an answered request.
//!
//! As at OpenRouter, a record exists only after the response has ended.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::reply::{Reply, Usage};

/// Number of records that are kept, which bounds the memory of a long-running `--demo`.
const KEPT: usize = 1024;

/// Members of a record that the mock server sets to null.
const UNSET: [&str; 17] = [
    "upstream_id",
    "request_id",
    "cache_discount",
    "app_id",
    "moderation_latency",
    "native_tokens_completion_images",
    "num_media_prompt",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_search_results",
    "router",
    "preset_id",
    "response_cache_source_id",
    "workspace_id",
    "num_fetches",
    "service_tier",
    "web_search_engine",
];

/// One record. It has `external_user` and `session_id` but, as at OpenRouter, no metadata.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    id: String,
    model: String,
    created: u64,
    took: Usage,
    streamed: bool,
    external_user: Option<String>,
    session_id: Option<String>,
    user_agent: Option<String>,
    http_referer: Option<String>,
    /// True if the client disconnected before the end.
    pub(super) cancelled: bool,
}

impl Generation {
    /// Creates the record of `reply`, not cancelled.
    pub(super) fn of(reply: &Reply<'_>, streamed: bool) -> Self {
        let asked = reply.asked;
        Self {
            id: reply.id.clone(),
            model: reply.model.clone(),
            created: reply.created,
            took: reply.took,
            streamed,
            external_user: asked.text("user").or_else(|| asked.text("safety_identifier")),
            session_id: asked.text("session_id").or_else(|| asked.header("x-session-id")),
            user_agent: asked.header("user-agent"),
            http_referer: asked.header("http-referer"),
            cancelled: false,
        }
    }

    /// Returns the record as `GenerationResponse` of OpenRouter's API reference.
    pub(super) fn to_json(&self) -> Value {
        let usage = self.took;
        let created = i64::try_from(self.created).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        let finish = if self.cancelled { Value::Null } else { json!("stop") };
        let mut data = json!({
            "id": self.id, "total_cost": usage.cost, "usage": usage.cost, "upstream_inference_cost": 0,
            "created_at": created.map(|at| at.to_string()), "model": self.model, "streamed": self.streamed,
            "cancelled": self.cancelled, "provider_name": super::reply::PROVIDER, "latency": 30, "generation_time": 300,
            "finish_reason": finish, "native_finish_reason": finish, "tokens_prompt": usage.prompt,
            "tokens_completion": usage.completion, "native_tokens_prompt": usage.prompt,
            "native_tokens_completion": usage.completion, "native_tokens_reasoning": usage.reasoning,
            "native_tokens_cached": usage.cached, "origin": "", "is_byok": false, "external_user": self.external_user,
            "session_id": self.session_id, "user_agent": self.user_agent, "http_referer": self.http_referer,
            "api_type": "completions", "provider_responses": [], "data_region": "global",
        });
        for name in UNSET {
            data[name] = Value::Null;
        }
        json!({"data": data})
    }
}

/// The latest records, oldest first.
#[derive(Debug, Default)]
pub(super) struct Generations(VecDeque<Generation>);

impl Generations {
    pub(super) fn file(&mut self, generation: Generation) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(generation);
    }

    pub(super) fn find(&self, id: &str) -> Option<&Generation> {
        self.0.iter().rev().find(|generation| generation.id == id)
    }
}
