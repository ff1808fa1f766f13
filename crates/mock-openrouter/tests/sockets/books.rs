//! The account books: every request once, with the cost that the record tells.

use std::time::Duration;

use mock_openrouter::{MockServer, Options, Total};
use tokio::io::AsyncReadExt;

use crate::client::{KEY, body, entry, get, post, record, send, written};

/// Every inference endpoint that runs a model.
const RUNNING: [&str; 11] = [
    "chat/completions",
    "completions",
    "responses",
    "messages",
    "embeddings",
    "rerank",
    "images",
    "images/generations",
    "audio/speech",
    "audio/transcriptions",
    "systemone",
];

#[tokio::test]
async fn every_request_is_booked_once_with_its_cost() {
    let mock = MockServer::start().await.unwrap();
    let mut sum = 0;
    for (number, path) in (1..).zip(RUNNING) {
        for stream in [false, true] {
            let answer = post(&mock, path, &format!("mock/cost-{number}"), stream).await;
            let entry = entry(&mock, &answer);
            assert_eq!((entry.endpoint, entry.status, entry.cost), (path, 200, number), "{path}");
            assert_eq!((entry.provider_cost, entry.client_left), (0, false), "{path}");
            let expected = format!("0.{number:09}");
            let expected = expected.trim_end_matches('0');
            assert_eq!(written(&record(&mock, &answer).await.text(), "total_cost"), [expected], "{path}");
            sum += number;
        }
    }
    assert_eq!(mock.books().total(), Total { requests: 22, cost: sum, provider_cost: 0 });
    assert_eq!(mock.books().entries.len(), 22);
}

#[tokio::test]
async fn refused_and_free_requests_cost_nothing() {
    let mock = MockServer::start().await.unwrap();
    for (path, model, status) in [
        ("chat/completions", "mock/error-429+cost-5", 429),
        ("chat/completions", "mock/error-200+cost-5", 200),
        ("messages", "mock/html-502+cost-5", 502),
        ("responses", "mock/redirect+cost-5", 307),
        ("chat/completions", "mock/unknown", 400),
        ("messages/count_tokens", "mock/cost-5", 200),
    ] {
        let answer = post(&mock, path, model, true).await;
        let entry = entry(&mock, &answer);
        assert_eq!((entry.endpoint, entry.status, entry.cost, entry.provider_cost), (path, status, 0, 0), "{model}");
        assert_eq!(record(&mock, &answer).await.status, 404, "{model}");
    }
    get(&mock, "models").await;
    get(&mock, "messages").await;
    post(&mock, "keys", "mock/echo", false).await;
    assert_eq!(mock.books().total(), Total { requests: 6, ..Total::default() });
}

#[tokio::test]
async fn a_client_that_leaves_pays_the_full_cost() {
    // The pause is long, so the response ends only with its client.
    let options = Options { pace: Some(Duration::from_hours(1)), ..Options::default() };
    let mock = MockServer::start_with(options).await.unwrap();
    let mut stream = send(&mock, "POST", "chat/completions", KEY, &body("mock/cost-77", true)).await;
    let mut begun = Vec::new();
    while !begun.ends_with(b"}\n\n") {
        begun.push(stream.read_u8().await.unwrap());
    }
    assert_eq!(mock.books().total().requests, 0, "booked before the end");
    drop(stream);
    mock.wait_booked(1).await;
    let books = mock.books();
    assert_eq!(books.total(), Total { requests: 1, cost: 77, provider_cost: 0 });
    assert!(books.entries[0].client_left);
    let record = get(&mock, &format!("generation?id={}", books.entries[0].generation)).await;
    assert_eq!(written(&record.text(), "total_cost"), ["0.000000077"]);
    assert_eq!(record.json()["data"]["cancelled"], true);
}

#[tokio::test]
async fn the_oldest_entries_are_dropped_with_their_records() {
    let mock = MockServer::start_with(Options { book_entries: 2, ..Options::default() }).await.unwrap();
    let first = post(&mock, "chat/completions", "mock/cost-1", false).await;
    post(&mock, "chat/completions", "mock/cost-10", false).await;
    assert_eq!(record(&mock, &first).await.status, 200);
    let last = post(&mock, "chat/completions", "mock/cost-100", false).await;
    assert_eq!((record(&mock, &first).await.status, record(&mock, &last).await.status), (404, 200));
    let books = mock.books();
    assert_eq!((books.entries.len(), books.dropped.cost, books.total().cost), (2, 1, 111));
}
