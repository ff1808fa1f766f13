//! The catalogue: lists are cached, other reads count, blocked callers get nothing, redirects stay within it.

use http::Method;
use mock_openrouter::MockServer;

use crate::support::chaos::{Chaos, Then, When};
use crate::support::client::{self, Answer, Headers};
use crate::support::proxy::{ALICE, APP, Callsign, Setup, callsign};

/// A caller who brings their own OpenRouter key.
const OWN_KEY: Headers<'static> = &[("authorization", "Bearer sk-or-v1-a-key-that-a-caller-brings")];

async fn get(callsign: &Callsign, path: &str, headers: Headers<'_>) -> Answer {
    client::get(&callsign.url(path), headers).await
}

/// Returns the number of requests that reached the mock because of `asked`.
async fn reached(mock: &MockServer, asked: impl Future<Output = Answer>) -> usize {
    let before = mock.begun();
    let answer = asked.await;
    assert_eq!(answer.status, 200, "{answer:?}");
    mock.begun() - before
}

#[tokio::test]
async fn a_list_is_asked_for_once_and_served_to_all_callers_of_the_account() {
    let (mock, callsign) = callsign(&[]).await;
    for list in ["models", "models/count", "providers", "embeddings/models", "images/models", "tools", "endpoints/zdr"]
    {
        let first = get(&callsign, list, ALICE).await;
        let begun = mock.begun();
        for headers in [ALICE, APP] {
            let again = get(&callsign, list, headers).await;
            assert_eq!((again.status.as_u16(), &again.body), (200, &first.body), "{list}");
            assert_eq!(again.header("content-type"), first.header("content-type"));
            assert!(!again.header("age").is_empty() && !again.header("x-callsign-request-id").is_empty());
        }
        let head = client::request(Method::HEAD, &callsign.url(list), APP, "").await;
        assert_eq!((head.body.len(), head.header("content-length")), (0, first.body.len().to_string().as_str()));
        assert_eq!(mock.begun(), begun, "{list} was asked for again");
    }
    // models/user is models; OpenRouter's would show the preferences of the operator's account.
    assert_eq!(reached(&mock, get(&callsign, "models/user", ALICE)).await, 0);
    // Another query or another representation is another list.
    assert_eq!(reached(&mock, get(&callsign, "models?category=x", ALICE)).await, 1);
    assert_eq!(reached(&mock, get(&callsign, "models?category=x", ALICE)).await, 0);
    let rss = [ALICE, &[("accept", "application/rss+xml")]].concat();
    assert_eq!(reached(&mock, get(&callsign, "models", &rss)).await, 1);
    // Other reads are not cached.
    for path in ["tools/openrouter:datetime", "models/openai/gpt-4o", "model/openai/gpt-4o", "models/a%2Fb"] {
        for _ in 0..2 {
            assert_eq!(reached(&mock, get(&callsign, path, ALICE)).await, 1, "{path}");
        }
    }
    // New settings may name another upstream.
    callsign.reload();
    assert_eq!(reached(&mock, get(&callsign, "models", ALICE)).await, 1);
}

#[tokio::test]
async fn callers_with_their_own_key_get_their_own_lists() {
    let (mock, callsign) = callsign(&[("CALLSIGN_PASSTHROUGH", "true")]).await;
    assert_eq!(reached(&mock, get(&callsign, "models", ALICE)).await, 1);
    for _ in 0..2 {
        assert_eq!(reached(&mock, get(&callsign, "models", OWN_KEY)).await, 1);
    }
    assert_eq!(reached(&mock, get(&callsign, "models", ALICE)).await, 0);
}

#[tokio::test]
async fn an_answer_that_is_no_whole_200_is_not_cached() {
    let failure = b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec();
    let upstream = Chaos::in_turn(vec![
        (When::Head, failure, Then::Close),
        (When::Head, cut, Then::Close),
        (When::Head, crate::support::chaos::answer("{}"), Then::Close),
    ])
    .await;
    let callsign = Setup::to(&upstream.url()).start();
    assert_eq!(get(&callsign, "models", ALICE).await.status, 500);
    assert!(get(&callsign, "models", ALICE).await.cut.is_some());
    for _ in 0..3 {
        assert_eq!(get(&callsign, "models", ALICE).await.text(), "{}");
    }
    assert_eq!(upstream.accepted(), 3);
}

#[tokio::test]
async fn reads_that_go_to_openrouter_count_and_cached_lists_do_not() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_LIMIT_RPM", "3")]).await;
    for _ in 0..5 {
        assert_eq!(get(&callsign, "models", ALICE).await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(get(&callsign, "models/openai/gpt-4o", ALICE).await.status, 200);
    }
    let refused = get(&callsign, "providers", ALICE).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (429, "rate_limited"));
    assert_eq!(refused.header("x-ratelimit-limit-requests"), "3");
    let body = r#"{"model":"m","messages":[]}"#;
    assert_eq!(client::post(&callsign.url("chat/completions"), ALICE, body).await.status, 429);
    assert_eq!(get(&callsign, "models", ALICE).await.status, 200, "cached");
    assert_eq!(get(&callsign, "providers", APP).await.status, 200, "another caller");
}

#[tokio::test]
async fn a_blocked_caller_reads_nothing_with_the_operators_key() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).toml("[[users]]\nid = \"alice\"\nblocked = true\n").start();
    assert_eq!(get(&callsign, "models", APP).await.status, 200);
    let begun = mock.begun();
    for path in ["models", "models/openai/gpt-4o", "tools", "key", "credits"] {
        let refused = get(&callsign, path, ALICE).await;
        assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (403, "user_blocked"), "{path}");
    }
    assert_eq!(mock.begun(), begun);
}

#[tokio::test]
async fn a_redirect_within_the_catalogue_has_callsigns_path() {
    let (_mock, callsign) = callsign(&[]).await;
    for (base, ours) in [("v1", "/v1/tools/openrouter:datetime"), ("api/v1", "/api/v1/tools/openrouter:datetime")] {
        let url = format!("http://{}/{base}/tools/datetime", callsign.address());
        let redirect = client::get(&url, ALICE).await;
        assert_eq!((redirect.status.as_u16(), redirect.header("location")), (308, ours));
        let there = client::get(&format!("http://{}{ours}", callsign.address()), ALICE).await;
        assert_eq!(there.json()["data"]["name"], "openrouter:datetime");
    }
}

#[tokio::test]
async fn any_other_redirect_is_502_without_a_location() {
    for location in ["https://elsewhere.example/api/v1/models", "/api/v1/keys", "/login", "/api/v1/chat/completions"] {
        let head = format!("HTTP/1.1 308 Permanent Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let upstream = Chaos::start(When::Head, head, Then::Close).await;
        let callsign = Setup::to(&upstream.url()).start();
        let chat = callsign.url("chat/completions");
        for answer in [
            get(&callsign, "models", ALICE).await,
            get(&callsign, "tools/x", ALICE).await,
            client::post(&chat, ALICE, r#"{"model":"m"}"#).await,
        ] {
            let code = (answer.status.as_u16(), answer.header("x-callsign-error"));
            assert_eq!(code, (502, "upstream_redirect"), "{location}");
            assert!(!answer.headers.contains_key("location") && !answer.text().contains("elsewhere.example"));
        }
    }
}
