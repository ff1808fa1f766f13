//! Generation records: the responses of `GET /generation?id=…` about an answered request.
//!
//! As at OpenRouter, a record exists only after the response has ended.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::money::dollars;
use super::reply::Reply;
use super::usage::Usage;

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
    pub(super) id: Arc<str>,
    model: String,
    created: u64,
    pub(super) took: Usage,
    failed: bool,
    streamed: bool,
    external_user: Option<String>,
    session_id: Option<String>,
    user_agent: Option<String>,
    http_referer: Option<String>,
    /// True if the client disconnected before the end.
    pub(super) cancelled: bool,
    /// The number of lookups for which the record does not exist yet.
    late: usize,
}

impl Generation {
    /// Creates the record of `reply`, not cancelled. The first `late` lookups do not find it.
    pub(super) fn of(reply: &Reply<'_>, streamed: bool, late: usize) -> Self {
        let asked = reply.asked;
        Self {
            id: reply.id.as_str().into(),
            model: reply.model.clone(),
            created: reply.created,
            took: reply.took,
            failed: reply.failure.is_some(),
            streamed,
            external_user: asked.text("user").or_else(|| asked.text("safety_identifier")),
            session_id: asked.text("session_id").or_else(|| asked.header("x-session-id")),
            user_agent: asked.header("user-agent"),
            http_referer: asked.header("http-referer"),
            cancelled: false,
            late,
        }
    }

    /// Returns the record as `GenerationResponse` of OpenRouter's API reference.
    pub(super) fn to_json(&self) -> Value {
        let usage = self.took;
        let created = i64::try_from(self.created).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        let finish = match (self.cancelled, self.failed) {
            (true, _) => Value::Null,
            (false, true) => json!("error"),
            (false, false) => json!("stop"),
        };
        let mut data = json!({
            "id": &*self.id, "total_cost": dollars(usage.cost()), "usage": dollars(usage.cost()),
            "upstream_inference_cost": dollars(usage.provider_cost()), "created_at": created.map(|at| at.to_string()), "model": self.model, "streamed": self.streamed,
            "cancelled": self.cancelled, "provider_name": super::reply::PROVIDER, "latency": 30, "generation_time": 300,
            "finish_reason": finish, "native_finish_reason": finish, "tokens_prompt": usage.prompt,
            "tokens_completion": usage.completion, "native_tokens_prompt": usage.prompt,
            "native_tokens_completion": usage.completion, "native_tokens_reasoning": usage.reasoning,
            "native_tokens_cached": usage.cached, "origin": "", "is_byok": usage.byok.is_some(), "external_user": self.external_user,
            "session_id": self.session_id, "user_agent": self.user_agent, "http_referer": self.http_referer,
            "api_type": "completions", "provider_responses": [], "data_region": "global",
        });
        for name in UNSET {
            data[name] = Value::Null;
        }
        json!({"data": data})
    }
}

/// The result of a lookup.
#[derive(Debug)]
pub(super) enum LookedUp {
    /// There is no such request.
    Unknown,
    /// The record does not exist yet.
    NotYet,
    /// The record.
    Found(Box<Generation>),
}

/// The records of the requests whose book entry is kept.
#[derive(Debug, Default)]
pub(super) struct Generations(HashMap<Arc<str>, Generation>);

impl Generations {
    pub(super) fn file(&mut self, generation: Generation) {
        self.0.insert(Arc::clone(&generation.id), generation);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Looks a record up. A late record is not found by its first lookups.
    pub(super) fn look_up(&mut self, id: &str) -> LookedUp {
        let Some(generation) = self.0.get_mut(id) else { return LookedUp::Unknown };
        match generation.late.checked_sub(1) {
            Some(left) => {
                generation.late = left;
                LookedUp::NotYet
            }
            None => LookedUp::Found(Box::new(generation.clone())),
        }
    }
}
