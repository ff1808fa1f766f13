//! The endpoints without a conversation: embeddings, rerank, images, speech, transcriptions, System One.

use bytes::Bytes;
use data_encoding::BASE64;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use serde_json::{Map, Value, json};

use super::plan::{Plan, Step, done, event};
use super::reply::{Failure, PROVIDER, Reply};

/// The embedding of every text.
const VECTOR: [f32; 4] = [0.5, -0.25, 0.125, 0.0625];

/// A PNG of one black pixel in base64.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The header of a WAV file: 8-bit mono at 8 kHz, 1024 samples.
const WAV_HEADER: &[u8; 44] =
    b"RIFF\x24\x04\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\x04\0\0";

/// Answers `embeddings`: one vector for each input. With `encoding_format` `base64`, which OpenAI's SDKs set, a vector
/// is base64 of little-endian floats.
pub(super) fn embeddings(reply: &Reply<'_>) -> Value {
    let inputs = match reply.asked.get("input") {
        Some(Value::Array(items)) if !items.iter().all(Value::is_number) => items.len(),
        _ => 1,
    };
    let vector = if reply.asked.text("encoding_format").as_deref() == Some("base64") {
        let bytes: Vec<u8> = VECTOR.iter().flat_map(|number| number.to_le_bytes()).collect();
        json!(BASE64.encode(&bytes))
    } else {
        json!(VECTOR)
    };
    let data: Vec<_> =
        (0..inputs).map(|index| json!({"object": "embedding", "index": index, "embedding": vector})).collect();
    let mut body = json!({"id": reply.id, "object": "list", "model": reply.model, "provider": PROVIDER, "data": data});
    if let Some(usage) = reply.usage {
        body["usage"] = usage.embeddings();
    }
    body
}

/// Answers `rerank`: the documents in their original order.
pub(super) fn rerank(reply: &Reply<'_>) -> Value {
    let documents = reply.asked.get("documents").and_then(|value| value.as_array().cloned()).unwrap_or_default();
    let results: Vec<_> = documents
        .into_iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "relevance_score": 0.5, "document": {"text": text}}))
        .collect();
    let mut body = json!({"id": reply.id, "model": reply.model, "provider": PROVIDER, "results": results});
    if let Some(usage) = reply.usage {
        body["usage"] = usage.rerank();
    }
    body
}

/// Answers `systemone`: 0.5 to each question, as a question of type `noul` expects.
pub(super) fn decisions(reply: &Reply<'_>) -> Value {
    let questions = reply.asked.get("questions").and_then(|value| value.as_object().cloned()).unwrap_or_default();
    let answers: Map<_, _> =
        questions.into_iter().map(|(name, _)| (name, json!({"type": "noul", "noul": 0.5}))).collect();
    let mut body = json!({"id": reply.id, "model": reply.model, "provider": PROVIDER, "answers": answers});
    if let Some(usage) = reply.usage {
        body["usage"] = usage.decisions();
    }
    body
}

/// Answers `images` and `images/generations`: one black pixel.
pub(super) fn image(reply: &Reply<'_>) -> Value {
    let mut body = json!({"created": reply.created, "data": [{"b64_json": PIXEL, "media_type": "image/png"}]});
    if let Some(usage) = reply.usage {
        body["usage"] = usage.chat();
    }
    body
}

/// Answers `images` and `images/generations` with a stream.
pub(super) fn image_events(reply: &Reply<'_>) -> Vec<Bytes> {
    if reply.failure == Some(Failure::BeforeOutput) {
        let error =
            json!({"message": "Provider returned error", "code": "server_error", "type": "api_error", "param": null});
        return vec![event(None, &json!({"type": "error", "error": error})), done()];
    }
    let mut data = json!({"type": "image_generation.completed", "b64_json": PIXEL, "media_type": "image/png"});
    data["created"] = json!(reply.created);
    if let Some(usage) = reply.usage {
        data["usage"] = usage.chat();
    }
    vec![event(None, &data), done()]
}

/// Answers `audio/speech`: a WAV file in five chunks that contains every byte value. It tells no usage; the generation
/// record does.
pub(super) fn speech() -> Plan {
    let mut file = WAV_HEADER.to_vec();
    file.extend((0..4).flat_map(|_| 0..=u8::MAX));
    let mut plan = Plan::whole(StatusCode::OK, "audio/wav", Bytes::new());
    plan.headers.insert(CONTENT_LENGTH, file.len().into());
    plan.steps = file.chunks(256).map(|piece| Step::Chunk(Bytes::copy_from_slice(piece))).collect();
    plan
}

/// Answers `audio/transcriptions`.
pub(super) fn transcription(reply: &Reply<'_>) -> Value {
    let mut body = json!({"text": reply.text()});
    if let Some(usage) = reply.usage {
        body["usage"] = usage.transcription();
    }
    body
}
