//! The usage reader over real answers of the mock: its usage matches the mock's records to the nano-dollar, however the
//! bytes are split.

use std::time::Duration;

use callsign_core::endpoint::INFERENCE;
use callsign_core::secret::Secret;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::price::PicoUsd;
use callsign_core::usage::reader::{ResponseUsage, UsageReader};
use callsign_gateway::openrouter::OpenRouterClient;
use callsign_gateway::upstream::settings::Settings;
use mock_openrouter::MockServer;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::support::client::{self, Answer, Headers};

const KEY: Headers<'static> = &[("authorization", "Bearer sk-or-v1-operator"), ("content-type", "application/json")];

/// Reads the usage from an answer to `path`, in pieces of `length` bytes.
fn seen(path: &str, answer: &Answer, length: usize) -> ResponseUsage {
    let endpoint = INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap();
    let mut reader = UsageReader::new(endpoint, &answer.headers);
    for piece in answer.body.chunks(length) {
        reader.see(piece);
    }
    reader.finish()
}

/// A generation's record, with the raw text of its cost.
#[derive(Deserialize)]
struct Record {
    total_cost: Box<RawValue>,
    native_tokens_prompt: u64,
    native_tokens_completion: u64,
    native_tokens_cached: u64,
    native_tokens_reasoning: u64,
}

#[derive(Deserialize)]
struct Recorded {
    data: Record,
}

async fn record(mock: &MockServer, id: &str) -> Record {
    let answer = client::get(&format!("{}/generation?id={id}", mock.url()), &[]).await;
    serde_json::from_slice::<Recorded>(&answer.body).unwrap().data
}

#[tokio::test]
async fn sums_match_the_mocks_records() {
    let mock = MockServer::start().await.unwrap();
    let (mut sum, mut own) = (NanoUsd::ZERO, NanoUsd::ZERO);
    let mut answers = 0;
    for path in
        ["chat/completions", "completions", "responses", "embeddings", "rerank", "systemone", "images/generations"]
    {
        for (number, cost) in [0, 1, 7, 999, 420_000, 123_456_789, 1_000_000_000, 4_294_967_295].into_iter().enumerate()
        {
            for stream in [false, true] {
                let model = format!("mock/cost-{cost}+reasoning-{number}+long-{number}");
                let body = json!({"model": model, "stream": stream, "documents": ["usage"], "input": "error",
                    "questions": {"error": {"type": "noul"}}});
                let answer = client::post(&format!("{}/{path}", mock.url()), KEY, body.to_string()).await;
                let whole = seen(path, &answer, usize::MAX);
                for length in [1, 2, 3, 7, 100, 1000] {
                    assert_eq!(whole, seen(path, &answer, length), "{path} in pieces of {length}");
                }
                assert_eq!((whole.has_output, whole.is_whole, &whole.error), (true, true, &None), "{path}, {stream}");
                let id = answer.header("x-generation-id");
                let record = record(&mock, id).await;
                let images = path.starts_with("images");
                assert_eq!(whole.generation.as_deref(), (!images).then_some(id), "{path}");
                assert_eq!(whole.model.as_deref(), (!images).then_some(&*model));
                assert_eq!(whole.usage.cost, NanoUsd::parse(record.total_cost.get()), "{path}");
                assert_eq!(whole.usage.cost, Some(NanoUsd(cost)));
                assert_eq!(whole.usage.prompt_tokens, Some(record.native_tokens_prompt), "{path}");
                if ["chat/completions", "completions", "responses"].contains(&path) {
                    assert_eq!(whole.usage.completion_tokens, Some(record.native_tokens_completion));
                    assert_eq!(whole.usage.cached_tokens, Some(record.native_tokens_cached));
                    assert_eq!(whole.usage.reasoning_tokens, Some(record.native_tokens_reasoning));
                }
                sum = sum.checked_add(whole.usage.cost.unwrap()).unwrap();
                own = own.checked_add(NanoUsd::parse(record.total_cost.get()).unwrap()).unwrap();
                answers += 1;
            }
        }
    }
    assert_eq!((sum, answers), (own, 112));
}

#[tokio::test]
async fn messages_count_cached_tokens_as_part_of_the_prompt() {
    let mock = MockServer::start().await.unwrap();
    for stream in [false, true] {
        let body = json!({"model": "mock/reasoning-4+crlf", "stream": stream, "max_tokens": 9}).to_string();
        let answer = client::post(&format!("{}/messages", mock.url()), KEY, body).await;
        let whole = seen("messages", &answer, usize::MAX);
        assert_eq!(whole, seen("messages", &answer, 1));
        let record = record(&mock, answer.header("x-generation-id")).await;
        assert_eq!(whole.usage.prompt_tokens, Some(record.native_tokens_prompt));
        assert_eq!(whole.usage.completion_tokens, Some(record.native_tokens_completion));
        assert_eq!(whole.usage.cached_tokens, Some(record.native_tokens_cached));
        assert_eq!((whole.provider.as_deref(), whole.usage.cost), (Some("Mock"), None));
        assert_eq!((whole.has_output, whole.is_whole, whole.error), (true, true, None), "{stream}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_seen_too() {
    let mock = MockServer::start().await.unwrap();
    for (path, name) in [
        ("chat/completions", "provider_unavailable"),
        ("completions", "provider_unavailable"),
        ("responses", "provider_unavailable"),
        ("messages", "provider_unavailable"),
    ] {
        for stream in [false, true] {
            let body = json!({"model": "mock/mid-error+cost-5", "stream": stream}).to_string();
            let answer = client::post(&format!("{}/{path}", mock.url()), KEY, body).await;
            let whole = seen(path, &answer, usize::MAX);
            assert_eq!(whole, seen(path, &answer, 1), "{path}");
            assert_eq!(whole.error.as_deref(), Some(name), "{path}, {stream}");
            assert!(whole.is_whole, "{path}, {stream}");
            assert_eq!(whole.generation.as_deref(), Some(answer.header("x-generation-id")), "{path}");
        }
    }
    // A stream that breaks off has a generation id and a provider, and no usage.
    let body = json!({"model": "mock/cut-mid-chunk", "stream": true}).to_string();
    let answer = client::post(&format!("{}/chat/completions", mock.url()), KEY, body).await;
    let cut = seen("chat/completions", &answer, usize::MAX);
    assert!(answer.cut.is_some() && cut.generation.is_some() && cut.provider.is_some());
    assert_eq!((cut.has_output, cut.is_whole), (true, false));
    assert_eq!((cut.usage, cut.error), (callsign_core::usage::Usage::default(), None));
}

#[tokio::test]
async fn list_prices_are_fetched() {
    let mock = MockServer::start().await.unwrap();
    let second = Duration::from_secs(1);
    let settings = Settings {
        url: mock.url().parse().unwrap(),
        api_key: None,
        org_id: None,
        management_key: None,
        connect_timeout: second,
        first_byte_timeout: second,
        idle_timeout: second,
        http2: false,
        pool: callsign_gateway::upstream::settings::PoolKind::Inline,
    };
    let models = OpenRouterClient::new(&settings).unwrap().models(&Secret::new("sk-or-v1-operator")).await.unwrap();
    assert!(!models.is_empty());
    for price in models {
        assert_eq!((price.prompt, price.completion), (PicoUsd(10_000_000), PicoUsd(44_280_000)), "{}", price.model);
        assert_eq!((price.request, price.context_length), (PicoUsd(0), Some(128_000)));
    }
}
