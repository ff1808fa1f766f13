//! The figures in answers and records are those of the books.

use mock_openrouter::MockServer;
use serde_json::json;

use crate::client::{entry, post, record, written};

#[tokio::test]
async fn answers_tell_the_cost_of_the_books_as_plain_decimals() {
    let mock = MockServer::start().await.unwrap();
    for (nano, expected) in [
        (0, "0"),
        (7, "0.000000007"),
        (420_000, "0.00042"),
        (123_456_789, "0.123456789"),
        (999_999_999_999, "999.999999999"),
    ] {
        for path in [
            "chat/completions",
            "completions",
            "responses",
            "embeddings",
            "rerank",
            "images",
            "audio/transcriptions",
            "systemone",
        ] {
            for stream in [false, true] {
                let answer = post(&mock, path, &format!("mock/cost-{nano}"), stream).await;
                assert_eq!(written(&answer.text(), "cost"), [expected], "{path}");
                let record = record(&mock, &answer).await.text();
                assert_eq!(
                    (written(&record, "total_cost"), written(&record, "usage")),
                    (vec![expected], vec![expected])
                );
                assert_eq!(entry(&mock, &answer).cost, nano, "{path}");
            }
        }
    }
    assert_eq!(post(&mock, "chat/completions", "mock/cost-1000000000000", false).await.status, 400);
}

#[tokio::test]
async fn a_key_at_the_provider_is_billed_there() {
    let mock = MockServer::start().await.unwrap();
    for (model, cost, told) in
        [("mock/byok-90", 0, "0"), ("mock/byok-90+cost-5", 5, "0.000000005"), ("mock/cost-5+byok-90", 5, "0.000000005")]
    {
        for path in ["chat/completions", "completions", "responses", "embeddings", "rerank", "images"] {
            for stream in [false, true] {
                let answer = post(&mock, path, model, stream).await;
                let text = answer.text();
                assert_eq!(written(&text, "cost"), [told], "{path}, {model}");
                assert_eq!(written(&text, "is_byok"), ["true"], "{path}");
                assert_eq!(written(&text, "upstream_inference_cost"), ["0.00000009"], "{path}");
                let record = record(&mock, &answer).await.text();
                assert_eq!(written(&record, "total_cost"), [told], "{path}");
                assert_eq!(written(&record, "is_byok"), ["true"]);
                assert_eq!(written(&record, "upstream_inference_cost"), ["0.00000009"]);
                let entry = entry(&mock, &answer);
                assert_eq!((entry.cost, entry.provider_cost), (cost, 90), "{path}");
            }
        }
    }
    let plain = post(&mock, "chat/completions", "mock/cost-5", false).await;
    let record = record(&mock, &plain).await.text();
    assert_eq!((written(&record, "is_byok"), written(&record, "upstream_inference_cost")), (vec!["false"], vec!["0"]));
    assert_eq!(mock.books().total().provider_cost, 36 * 90);
}

#[tokio::test]
async fn server_tools_are_part_of_the_cost() {
    let mock = MockServer::start().await.unwrap();
    for model in ["mock/cost-5+tool-cost-30", "mock/tool-cost-30+cost-5"] {
        for path in ["chat/completions", "responses"] {
            let answer = post(&mock, path, model, true).await;
            let text = answer.text();
            assert_eq!(written(&text, "server_tool_cost"), ["0.00000003"], "{path}");
            assert_eq!(written(&text, "upstream_inference_cost"), ["0.000000005"], "{path}");
            assert_eq!(written(&text, "cost"), ["0.000000035"], "{path}");
            assert_eq!(written(&record(&mock, &answer).await.text(), "total_cost"), ["0.000000035"]);
            assert_eq!(entry(&mock, &answer).cost, 35);
        }
    }
}

#[tokio::test]
async fn tokens_written_to_the_cache_are_part_of_the_prompt() {
    let mock = MockServer::start().await.unwrap();
    let usage = post(&mock, "chat/completions", "mock/cache-write-40", false).await.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cache_write_tokens"], 40);
    assert_eq!((&usage["prompt_tokens"], &usage["total_tokens"]), (&json!(51), &json!(58)));
    let usage = post(&mock, "responses", "mock/cache-write-40", false).await.json()["usage"].clone();
    assert_eq!(usage["input_tokens_details"]["cache_write_tokens"], 40);
    for stream in [false, true] {
        let answer = post(&mock, "messages", "mock/cache-write-40", stream).await.text();
        let last = |member| written(&answer, member).pop().unwrap().to_owned();
        assert_eq!((last("cache_creation_input_tokens"), last("input_tokens")), ("40".to_owned(), "8".to_owned()));
    }
}

#[tokio::test]
async fn only_the_record_tells_a_late_cost() {
    let mock = MockServer::start().await.unwrap();
    for path in ["chat/completions", "responses", "messages", "embeddings"] {
        for stream in [false, true] {
            let answer = post(&mock, path, "mock/no-usage+late-record-2+cost-8", stream).await;
            assert!(written(&answer.text(), "cost").is_empty(), "{path}");
            assert_eq!(entry(&mock, &answer).cost, 8, "{path}");
            let mut statuses = Vec::new();
            for _ in 0..4 {
                statuses.push(record(&mock, &answer).await.status);
            }
            assert_eq!(statuses, [404, 404, 200, 200], "{path}");
            assert_eq!(written(&record(&mock, &answer).await.text(), "total_cost"), ["0.000000008"]);
        }
    }
}

#[tokio::test]
async fn speech_tells_its_cost_only_in_the_record() {
    let mock = MockServer::start().await.unwrap();
    let answer = post(&mock, "audio/speech", "mock/cost-21", false).await;
    assert_eq!((answer.header("content-type"), answer.body.len()), (Some("audio/wav"), 1068));
    assert!(!answer.text().contains("usage"));
    assert_eq!(written(&record(&mock, &answer).await.text(), "total_cost"), ["0.000000021"]);
    assert_eq!(entry(&mock, &answer).cost, 21);
}
