//! Errors inside a 200 and what they cost.

use mock_openrouter::MockServer;
use serde_json::Value;

use crate::client::{entry, post, record, written};

const TEXT: [&str; 4] = ["chat/completions", "completions", "responses", "messages"];

#[tokio::test]
async fn an_error_before_any_output_costs_nothing() {
    let mock = MockServer::start().await.unwrap();
    for (path, kind) in [
        ("chat/completions", Value::Null),
        ("completions", Value::Null),
        ("responses", "error".into()),
        ("messages", "error".into()),
        ("images", "error".into()),
    ] {
        let answer = post(&mock, path, "mock/start-error+cost-5", true).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")), "{path}");
        let events = answer.events();
        assert_eq!((events.len(), &events[0]["type"]), (1, &kind), "{path}: {}", answer.text());
        assert!(answer.text().contains("Provider returned error"), "{path}");
        assert_eq!((entry(&mock, &answer).cost, written(&answer.text(), "cost")), (0, vec![]), "{path}");
        assert_eq!(written(&record(&mock, &answer).await.text(), "total_cost"), ["0"], "{path}");
    }
    for path in
        TEXT.into_iter().chain(["embeddings", "rerank", "images", "audio/speech", "audio/transcriptions", "systemone"])
    {
        let answer = post(&mock, path, "mock/start-error+byok-5", false).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.json()["error"].is_object(), "{path}: {}", answer.text());
        assert_eq!((entry(&mock, &answer).cost, entry(&mock, &answer).provider_cost), (0, 0), "{path}");
    }
}

#[tokio::test]
async fn an_error_after_some_output_costs_what_was_asked() {
    let mock = MockServer::start().await.unwrap();
    for model in ["mock/mid-error+cost-5", "mock/finish-error+cost-5", "mock/cost-5+mid-error+no-usage"] {
        for path in TEXT {
            for stream in [false, true] {
                let answer = post(&mock, path, model, stream).await;
                assert_eq!((answer.status, entry(&mock, &answer).cost), (200, 5), "{path}, {model}");
                let record = record(&mock, &answer).await;
                assert_eq!(written(&record.text(), "total_cost"), ["0.000000005"], "{path}, {model}");
                assert_eq!(record.json()["data"]["finish_reason"], "error", "{path}, {model}");
            }
        }
    }
}

#[tokio::test]
async fn a_finish_reason_can_be_the_only_sign_of_an_error() {
    let mock = MockServer::start().await.unwrap();
    for path in ["chat/completions", "completions"] {
        let last = post(&mock, path, "mock/finish-error", true).await.events().pop().unwrap();
        let whole = post(&mock, path, "mock/finish-error", false).await.json();
        for answer in [last, whole] {
            assert_eq!(answer["choices"][0]["finish_reason"], "error", "{path}");
            assert!(answer.get("usage").is_none() && answer.get("error").is_none(), "{path}: {answer}");
            assert!(answer["choices"][0].get("error").is_none(), "{path}: {answer}");
        }
        let explained = post(&mock, path, "mock/mid-error", true).await.events().pop().unwrap();
        assert!(explained["error"].is_object() && explained["usage"].is_object(), "{path}: {explained}");
    }
}

#[tokio::test]
async fn a_failed_panel_model_does_not_fail_the_response() {
    let mock = MockServer::start().await.unwrap();
    let answer = post(&mock, "responses", "mock/panel-failed+cost-9", true).await;
    let events = answer.events();
    let failed: Vec<_> = events.iter().filter(|event| event["type"] == "response.fusion_call.panel.failed").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["error"].is_string());
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&"response.completed".into(), &"completed".into()));
    let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..events.len() as u64), "{}", answer.text());
    assert_eq!((written(&answer.text(), "cost"), entry(&mock, &answer).cost), (vec!["0.000000009"], 9));
}

#[cfg(feature = "faults")]
#[tokio::test]
async fn gzip_can_come_unasked() {
    let mock = MockServer::start().await.unwrap();
    for stream in [false, true] {
        let asked = post(&mock, "chat/completions", "mock/compressed", stream).await;
        assert_eq!(asked.header("content-encoding"), None);
        let unasked = post(&mock, "chat/completions", "mock/compressed-always+cost-5", stream).await;
        assert_eq!((unasked.header("content-encoding"), &unasked.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
        assert_eq!(entry(&mock, &unasked).cost, 5);
    }
}
