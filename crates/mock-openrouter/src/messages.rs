//! `messages` and `messages/count_tokens`: Anthropic's Messages API in OpenRouter's variant.

use bytes::Bytes;
use serde_json::{Value, json};

use super::call;
use super::plan::event;
use super::reply::{Failure, PROVIDER, Reply};
use super::usage::Usage;

/// Returns the events of a stream, each with its `event:` line. The last one is `message_stop` or `error`.
pub(super) fn events(reply: &Reply<'_>) -> Vec<Bytes> {
    if reply.failure == Some(Failure::BeforeOutput) {
        return vec![event(Some("error"), &failure(reply))];
    }
    let mut events = vec![
        json!({"type": "message_start", "message": message(reply, State::Begun)}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": block(reply, State::Begun)}),
    ];
    let deltas: Vec<_> = match &reply.call {
        Some(_) => {
            call::ARGUMENTS.iter().map(|part| json!({"type": "input_json_delta", "partial_json": part})).collect()
        }
        None => reply.tokens.iter().map(|token| json!({"type": "text_delta", "text": token})).collect(),
    };
    events.extend(deltas.into_iter().map(|delta| json!({"type": "content_block_delta", "index": 0, "delta": delta})));
    if reply.failure.is_some() {
        events.push(failure(reply));
    } else {
        let mut delta = json!({"type": "message_delta", "delta": {"stop_reason": stop(reply), "stop_sequence": null}});
        if let Some(usage) = reply.usage {
            delta["usage"] = usage.messages(usage.completion);
        }
        events.push(json!({"type": "content_block_stop", "index": 0}));
        events.push(delta);
        events.push(json!({"type": "message_stop"}));
    }
    events.iter().map(|data| event(data["type"].as_str(), data)).collect()
}

/// Returns the plain response.
pub(super) fn whole(reply: &Reply<'_>) -> Value {
    if reply.failure.is_some() { failure(reply) } else { message(reply, State::Complete) }
}

/// Returns the response of `messages/count_tokens`.
pub(super) fn count() -> Value {
    json!({"input_tokens": Usage::OF_EVERY_ANSWER.prompt})
}

fn failure(reply: &Reply<'_>) -> Value {
    let error =
        json!({"type": "api_error", "message": "Provider returned error", "error_type": "provider_unavailable"});
    json!({"type": "error", "error": error, "request_id": reply.id})
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Begun,
    Complete,
}

fn stop(reply: &Reply<'_>) -> &'static str {
    if reply.call.is_some() { "tool_use" } else { "end_turn" }
}

/// Returns the only content block; it is empty in [`State::Begun`].
fn block(reply: &Reply<'_>, state: State) -> Value {
    let complete = state == State::Complete;
    match &reply.call {
        Some(call) => call.block(&if complete { call::input() } else { json!({}) }),
        None => {
            json!({"type": "text", "text": if complete { reply.text() } else { String::new() }, "citations": null})
        }
    }
}

fn message(reply: &Reply<'_>, state: State) -> Value {
    let complete = state == State::Complete;
    let content = if complete { json!([block(reply, state)]) } else { json!([]) };
    let stop = if complete { json!(stop(reply)) } else { Value::Null };
    let mut body = json!({
        "id": reply.id, "type": "message", "role": "assistant", "model": reply.model, "provider": PROVIDER,
        "content": content, "stop_reason": stop, "stop_sequence": null, "container": null,
    });
    if let Some(usage) = reply.usage {
        body["usage"] = usage.messages(if complete { usage.completion } else { 0 });
    }
    body
}
