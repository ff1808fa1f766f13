//! `chat/completions` and the older `completions`, streamed and whole, in OpenRouter's format.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::call;
use super::plan::{done, event};
use super::reply::{Failure, PROVIDER, Reply};

/// The endpoint that is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// `chat/completions`.
    Chat,
    /// `completions`.
    Text,
}

/// Returns the error inside the 200 of a reply that fails.
fn error() -> Value {
    json!({"code": 502, "message": "Provider returned error", "metadata": {"error_type": "provider_unavailable", "provider_name": PROVIDER}})
}

/// Returns the events of a stream, including `[DONE]`.
pub(super) fn events(kind: Kind, reply: &Reply<'_>) -> Vec<Bytes> {
    if reply.failure == Some(Failure::BeforeOutput) {
        return vec![event(None, &failed_chunk(kind, reply)), done()];
    }
    let mut events = Vec::with_capacity(reply.tokens.len() + 4);
    if kind == Kind::Chat {
        events.push(event(None, &Value::Object(chunk(kind, reply, "", Value::Null))));
    }
    if let (Kind::Chat, Some(call)) = (kind, &reply.call) {
        let begun = json!({"role": "assistant", "content": null, "tool_calls": [call.chat("")]});
        let more = |piece| json!({"tool_calls": [{"index": 0, "type": "function", "function": {"arguments": piece}}]});
        let deltas = [begun].into_iter().chain(call::ARGUMENTS.map(more));
        events.extend(deltas.map(|delta| event(None, &Value::Object(delta_chunk(reply, delta)))));
    } else {
        events.extend(text_events(kind, reply));
    }
    if reply.failure.is_some() {
        events.push(event(None, &failed_chunk(kind, reply)));
        events.push(done());
        return events;
    }
    let last = chunk(kind, reply, "", json!(finish(kind, reply)));
    events.push(event(None, &Value::Object(last.clone())));
    if let Some(usage) = reply.usage {
        // Recordings of OpenRouter repeat the finish reason beside the usage; none has the documented empty `choices`.
        let mut counted = last;
        counted.insert("usage".to_owned(), usage.chat());
        events.push(event(None, &Value::Object(counted)));
    }
    events.push(done());
    events
}

/// Returns the plain response.
pub(super) fn whole(kind: Kind, reply: &Reply<'_>) -> Value {
    let finish = json!(finish(kind, reply));
    let (object, mut choice) = match kind {
        Kind::Chat => {
            let mut message = json!({"role": "assistant", "content": reply.text(), "refusal": null, "reasoning": null});
            if let Some(call) = &reply.call {
                message["content"] = Value::Null;
                message["tool_calls"] = json!([call.chat(&call::arguments())]);
            }
            ("chat.completion", json!({"index": 0, "logprobs": null, "message": message}))
        }
        Kind::Text => {
            ("text_completion", json!({"index": 0, "logprobs": null, "text": reply.text(), "reasoning": null}))
        }
    };
    choice["finish_reason"] = finish.clone();
    choice["native_finish_reason"] = finish;
    if reply.failure == Some(Failure::Midway) {
        choice["error"] = error();
    }
    let mut body = envelope(object, reply);
    body.insert("choices".to_owned(), json!([choice]));
    if let Some(usage) = reply.usage {
        body.insert("usage".to_owned(), usage.chat());
    }
    Value::Object(body)
}

/// Returns the last chunk of a stream that fails. As recorded from OpenRouter, error and usage are in one chunk.
fn failed_chunk(kind: Kind, reply: &Reply<'_>) -> Value {
    let mut failed = chunk(kind, reply, "", json!("error"));
    if reply.failure != Some(Failure::Unexplained) {
        failed.insert("error".to_owned(), error());
    }
    if let Some(usage) = reply.usage {
        failed.insert("usage".to_owned(), usage.chat());
    }
    Value::Object(failed)
}

fn text_events(kind: Kind, reply: &Reply<'_>) -> impl Iterator<Item = Bytes> {
    reply.tokens.iter().map(move |token| event(None, &Value::Object(chunk(kind, reply, token, Value::Null))))
}

fn finish(kind: Kind, reply: &Reply<'_>) -> &'static str {
    match reply {
        Reply { failure: Some(_), .. } => "error",
        Reply { call: Some(_), .. } if kind == Kind::Chat => "tool_calls",
        _ => "stop",
    }
}

fn envelope(object: &str, reply: &Reply<'_>) -> Map<String, Value> {
    let members = [
        ("id", json!(reply.id)),
        ("object", json!(object)),
        ("created", json!(reply.created)),
        ("model", json!(reply.model)),
        ("provider", json!(PROVIDER)),
        ("system_fingerprint", json!("fp_mock")),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn chunk(kind: Kind, reply: &Reply<'_>, token: &str, finish: Value) -> Map<String, Value> {
    let (object, mut choice) = match kind {
        Kind::Chat => ("chat.completion.chunk", json!({"index": 0, "delta": {"role": "assistant", "content": token}})),
        Kind::Text => ("text_completion", json!({"index": 0, "text": token})),
    };
    choice["finish_reason"] = finish.clone();
    choice["native_finish_reason"] = finish;
    choice["logprobs"] = Value::Null;
    let mut body = envelope(object, reply);
    body.insert("choices".to_owned(), json!([choice]));
    body
}

fn delta_chunk(reply: &Reply<'_>, delta: Value) -> Map<String, Value> {
    let mut body = chunk(Kind::Chat, reply, "", Value::Null);
    body["choices"][0]["delta"] = delta;
    body
}
