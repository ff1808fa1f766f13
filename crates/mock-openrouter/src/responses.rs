//! `responses`: OpenAI's Responses API in OpenRouter's variant.
//!
//! As at OpenRouter, the result echoes `user`, `safety_identifier`, `prompt_cache_key` and `metadata`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::call;
use super::plan::{done, event};
use super::reply::{Failure, Reply};
use super::usage::Usage;

/// Returns the events of a stream, including `[DONE]`. They have no `event:` line; the type is in the data.
pub(super) fn events(reply: &Reply<'_>) -> Vec<Bytes> {
    if reply.failure == Some(Failure::BeforeOutput) {
        let error = json!({"code": "server_error", "message": "Provider returned error", "param": null});
        return numbered(vec![("error", error)]);
    }
    let mut events = vec![
        ("response.created", json!({"response": result(reply, State::InProgress)})),
        ("response.in_progress", json!({"response": result(reply, State::InProgress)})),
        ("response.output_item.added", json!({"output_index": 0, "item": item(reply, State::InProgress)})),
    ];
    let calls = reply.call.is_some();
    if calls {
        let delta = |piece| ("response.function_call_arguments.delta", part(reply, json!({"delta": piece})));
        events.extend(call::ARGUMENTS.map(delta));
    } else {
        events.push(("response.content_part.added", part(reply, json!({"part": text_part("")}))));
        let delta = |token| ("response.output_text.delta", part(reply, json!({"delta": token, "logprobs": []})));
        events.extend(reply.tokens.iter().map(delta));
    }
    if reply.panel_failed {
        let failed = json!({
            "error": "Upstream provider error", "item_id": item_id(reply), "model": "openai/gpt-5", "output_index": 0,
            "status_code": 502,
        });
        events.push(("response.fusion_call.panel.failed", failed));
    }
    if reply.failure.is_some() {
        events.push(("response.failed", json!({"response": result(reply, State::Failed)})));
    } else {
        if calls {
            let done = json!({"arguments": call::arguments()});
            events.push(("response.function_call_arguments.done", part(reply, done)));
        } else {
            let text = reply.text();
            events.push(("response.output_text.done", part(reply, json!({"text": text, "logprobs": []}))));
            events.push(("response.content_part.done", part(reply, json!({"part": text_part(&text)}))));
        }
        events.push(("response.output_item.done", json!({"output_index": 0, "item": item(reply, State::Completed)})));
        events.push(("response.completed", json!({"response": result(reply, State::Completed)})));
    }
    numbered(events)
}

/// Returns typed events with their sequence numbers, followed by `[DONE]`.
fn numbered(events: Vec<(&str, Value)>) -> Vec<Bytes> {
    let numbered = events.into_iter().enumerate().map(|(number, (kind, mut data))| {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(number);
        event(None, &data)
    });
    numbered.chain([done()]).collect()
}

/// Returns the plain response.
pub(super) fn whole(reply: &Reply<'_>) -> Value {
    result(reply, if reply.failure.is_some() { State::Failed } else { State::Completed })
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    InProgress,
    Completed,
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

fn result(reply: &Reply<'_>, state: State) -> Value {
    let asked = reply.asked;
    let echoed = |name: &str, or: Value| asked.get(name).unwrap_or(or);
    let failed = state == State::Failed;
    let completed = state == State::Completed;
    let output = if completed { json!([item(reply, state)]) } else { json!([]) };
    let error =
        if failed { json!({"code": "server_error", "message": "Provider returned error"}) } else { Value::Null };
    let mut body = json!({
        "id": reply.id, "object": "response", "created_at": reply.created, "model": reply.model,
        "status": state.name(), "completed_at": if completed { json!(reply.created) } else { Value::Null },
        "output": output, "error": error, "incomplete_details": null,
        "max_tool_calls": null, "tools": echoed("tools", json!([])), "tool_choice": echoed("tool_choice", json!("auto")),
        "parallel_tool_calls": true, "max_output_tokens": echoed("max_output_tokens", Value::Null),
        "temperature": echoed("temperature", json!(1.0)), "top_p": echoed("top_p", json!(1.0)), "top_logprobs": 0,
        "presence_penalty": 0, "frequency_penalty": 0,
        "metadata": echoed("metadata", json!({})), "background": false, "previous_response_id": null,
        "service_tier": "default", "truncation": "disabled", "store": false,
        "instructions": echoed("instructions", Value::Null), "reasoning": null,
        "safety_identifier": echoed("safety_identifier", Value::Null),
        "prompt_cache_key": echoed("prompt_cache_key", Value::Null), "user": echoed("user", Value::Null),
        "text": {"format": {"type": "text"}},
    });
    if failed {
        body["error_type"] = json!("provider_unavailable");
    }
    if completed {
        body["output_text"] = json!(if reply.call.is_some() { String::new() } else { reply.text() });
        body["usage"] = reply.usage.map_or(Value::Null, Usage::responses);
    } else {
        body["usage"] = Value::Null;
    }
    body
}

fn item(reply: &Reply<'_>, state: State) -> Value {
    if let Some(call) = &reply.call {
        let arguments = if state == State::Completed { call::arguments() } else { String::new() };
        return call.item(state.name(), &arguments);
    }
    let content = if state == State::Completed { json!([text_part(&reply.text())]) } else { json!([]) };
    json!({"type": "message", "id": item_id(reply), "status": state.name(), "role": "assistant", "content": content})
}

fn item_id(reply: &Reply<'_>) -> String {
    match &reply.call {
        Some(call) => call.item_id(),
        None => format!("msg_{}", reply.id),
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// Adds the indices of the only content part to the `data` of an event.
fn part(reply: &Reply<'_>, mut data: Value) -> Value {
    data["item_id"] = json!(item_id(reply));
    data["output_index"] = json!(0);
    data["content_index"] = json!(0);
    data
}
