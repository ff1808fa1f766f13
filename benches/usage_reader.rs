//! Measures reading the usage from responses: `cargo bench --bench usage_reader`.
//!
//! The budget: at most 1 µs for a response of 1 KB, and 15 µs (5 % of the cost of relaying) for a stream of 200 chunks.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use callsign_core::endpoint::{INFERENCE, Inference};
use callsign_core::usage::reader::{ResponseUsage, UsageReader};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

fn usage() -> Value {
    json!({
        "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cost": 0.000_42, "is_byok": false,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
        "cost_details": {
            "upstream_inference_cost": 0.000_42, "upstream_inference_prompt_cost": 0.000_11,
            "upstream_inference_completions_cost": 0.000_31,
        },
        "completion_tokens_details": {"reasoning_tokens": 5, "image_tokens": 0, "audio_tokens": 0},
    })
}

fn envelope(object: &str, choices: &Value) -> Value {
    json!({
        "id": "gen-1786000000-AbCdEfGhIjKlMnOpQrSt", "object": object, "created": 1_786_000_000,
        "model": "openai/gpt-4o-mini", "provider": "OpenAI", "system_fingerprint": "fp_0123456789", "choices": choices,
    })
}

/// Returns a response of 1,000 bytes.
fn answer() -> Vec<u8> {
    let build = |content: &str| {
        let message = json!({"role": "assistant", "content": content, "refusal": null, "reasoning": null});
        let choice = json!([{"index": 0, "logprobs": null, "finish_reason": "stop", "native_finish_reason": "stop", "message": message}]);
        let mut body = envelope("chat.completion", &choice);
        body["usage"] = usage();
        body.to_string().into_bytes()
    };
    let without = build("").len();
    build(&"A word or two.\n".repeat(100)[..1000 - without - 10])
}

/// Returns the chunks of a stream of 200 events, one event per chunk.
fn stream() -> Vec<Vec<u8>> {
    let chunk = |content: &str, usage: Option<Value>| {
        let delta = json!({"role": "assistant", "content": content});
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": null, "native_finish_reason": null, "logprobs": null}]);
        let mut body = envelope("chat.completion.chunk", &choice);
        if let Some(usage) = usage {
            body["usage"] = usage;
        }
        format!("data: {body}\n\n").into_bytes()
    };
    let mut chunks: Vec<_> = (0..199).map(|number| chunk(&format!("word{number} "), None)).collect();
    chunks.push(chunk("", Some(usage())));
    chunks.push(b"data: [DONE]\n\n".to_vec());
    chunks
}

fn image() -> Vec<u8> {
    let data = json!([{"b64_json": "iVBORw0K".repeat(1 << 17), "media_type": "image/png"}]);
    json!({"created": 1_786_000_000, "data": data, "usage": usage()}).to_string().into_bytes()
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

fn read<'a>(endpoint: &Inference, headers: &HeaderMap, pieces: impl Iterator<Item = &'a [u8]>) -> ResponseUsage {
    let mut reader = UsageReader::new(endpoint, headers);
    for piece in pieces {
        reader.see(black_box(piece));
    }
    reader.finish()
}

fn usage_readers(criterion: &mut Criterion) {
    let endpoint = |path: &str| INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap();
    let (chat, images) = (endpoint("chat/completions"), endpoint("images"));
    let (json, events) = (headers("application/json"), headers("text/event-stream"));
    let mut group = criterion.benchmark_group("usage_reader");
    let mut measure = |name: &str, endpoint: &Inference, headers: &HeaderMap, pieces: &[&[u8]]| {
        assert!(read(endpoint, headers, pieces.iter().copied()).usage.cost.is_some(), "{name}");
        group.throughput(Throughput::Bytes(pieces.iter().map(|piece| piece.len() as u64).sum()));
        group.bench_function(name, |bencher| bencher.iter(|| read(endpoint, headers, pieces.iter().copied())));
    };
    let answer = answer();
    measure("answer of 1 KB", chat, &json, &[&answer]);
    let stream = stream();
    let chunks: Vec<&[u8]> = stream.iter().map(Vec::as_slice).collect();
    measure("stream of 200 chunks", chat, &events, &chunks);
    let joined = stream.concat();
    measure("the same in pieces of 16 KiB", chat, &events, &joined.chunks(1 << 14).collect::<Vec<_>>());
    measure("the same in pieces of 100 bytes", chat, &events, &joined.chunks(100).collect::<Vec<_>>());
    let image = image();
    measure("image of 1 MB in pieces of 16 KiB", images, &json, &image.chunks(1 << 14).collect::<Vec<_>>());
}

criterion_group!(benches, usage_readers);
criterion_main!(benches);
