//! The switches of a test: refusals of the operator's account and failing lookups; `GET key`.

use mock_openrouter::{AccountRefusal, LookupFailure, MockServer};

use crate::client::{KEY, entry, get, get_with, post, record, written};

#[tokio::test]
async fn an_account_refuses_requests_until_it_is_switched_back() {
    let mock = MockServer::start().await.unwrap();
    let earlier = post(&mock, "chat/completions", "mock/cost-5", false).await;
    for (refusal, status, key_status) in [
        (AccountRefusal::Unauthorized, 401, 401),
        (AccountRefusal::PaymentRequired, 402, 200),
        (AccountRefusal::Forbidden, 403, 200),
    ] {
        mock.refuse_account(Some(refusal));
        for path in ["chat/completions", "responses", "messages", "audio/speech"] {
            let refused = post(&mock, path, "mock/cost-5", true).await;
            assert_eq!((refused.status, refusal.status().as_u16()), (status, status), "{path}");
            assert!(refused.json()["error"]["message"].is_string(), "{path}");
            assert_eq!(entry(&mock, &refused).cost, 0, "{path}");
        }
        assert_eq!(get(&mock, "key").await.status, key_status);
        assert_eq!(record(&mock, &earlier).await.status, key_status);
        assert_eq!(get(&mock, "models").await.status, 200);
        mock.refuse_account(None);
        assert_eq!(post(&mock, "chat/completions", "mock/cost-5", true).await.status, 200);
    }
    assert_eq!(mock.books().total().cost, 4 * 5);
}

#[tokio::test]
async fn the_key_tells_what_the_books_tell() {
    let mock = MockServer::start().await.unwrap();
    for model in ["mock/cost-5", "mock/cost-2+byok-7"] {
        post(&mock, "chat/completions", model, false).await;
    }
    let key = get(&mock, "key").await;
    assert_eq!(written(&key.text(), "usage"), ["0.000000007"]);
    assert_eq!(written(&key.text(), "byok_usage"), ["0.000000007"]);
    let data = &key.json()["data"];
    assert!(data["label"].is_string() && data["limit"].is_number() && data["limit_remaining"].is_number());
    let error = post(&mock, "chat/completions", "mock/error-500", false).await.json();
    assert_eq!(data["organization_id"], error["user_id"], "one account has two ids");
    assert_eq!(get_with(&mock, "key", "").await.status, 401);
}

#[tokio::test]
async fn lookups_fail_on_demand_and_are_counted_by_key() {
    let mock = MockServer::start().await.unwrap();
    let answer = post(&mock, "chat/completions", "mock/late-record-1", false).await;
    mock.fail_lookups(2, LookupFailure::RateLimited { retry_after: 9 });
    mock.fail_lookups(1, LookupFailure::ServerError);
    let mut statuses = Vec::new();
    for number in 0..5 {
        let record = record(&mock, &answer).await;
        assert_eq!(record.header("retry-after"), (number < 2).then_some("9"));
        statuses.push(record.status);
    }
    assert_eq!(statuses, [429, 429, 500, 404, 200], "a failed lookup does not count for a late record");
    get_with(&mock, "generation?id=gen-0", "another").await;
    mock.wait_lookups(6).await;
    assert_eq!([KEY, "another", "third"].map(|key| mock.lookups(key)), [5, 1, 0]);
}
