//! `key`, `auth/key` and `credits`: a caller sees callsign as an account of their own.

use mock_openrouter::MockServer;
use serde_json::{Value, json};

use crate::support::client::{self, Headers};
use crate::support::proxy::{ALICE, APP, Callsign, Setup};
use crate::support::within;

const OWN_KEY: Headers<'static> = &[("authorization", "Bearer sk-or-v1-a-key-that-a-caller-brings")];

async fn data(callsign: &Callsign, path: &str, headers: Headers<'_>) -> Value {
    let answer = client::get(&callsign.url(path), headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let private = (answer.header("content-type"), answer.header("cache-control"));
    assert_eq!(private, ("application/json", "private, no-store"));
    answer.json()["data"].clone()
}

/// Spends 126 nano-dollars as this caller.
async fn spend(callsign: &Callsign, headers: Headers<'_>) {
    let body = json!({"model": "mock/cost-126", "messages": []}).to_string();
    assert_eq!(client::post(&callsign.url("chat/completions"), headers, body).await.status, 200);
}

/// Waits until the caller's usage is this; sums follow their rows.
async fn until_usage(callsign: &Callsign, headers: Headers<'_>, usage: f64) -> Value {
    within("the usage", async {
        loop {
            let data = data(callsign, "key", headers).await;
            if data["usage"] == json!(usage) {
                return data;
            }
        }
    })
    .await
}

#[tokio::test]
async fn amounts_come_from_the_ledger_for_one_period() {
    for (limit, usage, remaining, reset) in [
        (vec![], 2.52e-7, Value::Null, Value::Null),
        (vec![("CALLSIGN_LIMIT_USD_DAY", "1")], 2.52e-7, json!(0.999_999_748), json!("daily")),
        (
            vec![("CALLSIGN_LIMIT_USD_DAY", "1"), ("CALLSIGN_LIMIT_USD_MONTH", "20")],
            2.52e-7,
            json!(19.999_999_748),
            json!("monthly"),
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await.unwrap();
        let ledger = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_LEDGER_MODE", "strict")];
        let callsign = Setup::to(&mock.url()).set(&ledger).set(&limit).start();
        spend(&callsign, ALICE).await;
        spend(&callsign, ALICE).await;
        spend(&callsign, APP).await;
        let key = until_usage(&callsign, ALICE, usage).await;
        assert_eq!((&key["limit_remaining"], &key["limit_reset"]), (&remaining, &reset));
        assert_eq!((&key["usage_daily"], &key["usage_monthly"]), (&json!(usage), &json!(usage)));
        assert_eq!(data(&callsign, "auth/key", ALICE).await, key);
        let credits = data(&callsign, "credits", ALICE).await;
        assert_eq!(credits, json!({"total_credits": key["limit"], "total_usage": usage}));
        // The list of prices is fetched for budgets in dollars.
        let is_expected = |path: &str| path.ends_with("chat/completions") || path.ends_with("/models");
        assert!(mock.received().iter().all(|asked| is_expected(&asked.path)), "OpenRouter was asked");
    }
}

#[tokio::test]
async fn a_tenants_markup_is_in_limit_and_usage() {
    let directory = tempfile::tempdir().unwrap();
    let mock = MockServer::start().await.unwrap();
    let key = "sk-cs-a-key-of-acme-0123456789abc";
    let sha = sha256(key);
    let toml = format!(
        "[[tenants]]\nname = \"acme\"\nmarkup = 1.5\nlimits = {{ usd_month = \"2\" }}\n\
         [[keys]]\nname = \"hers\"\nsha256 = \"{sha}\"\ntenant = \"acme\"\nuser = \"ada\"\n"
    );
    let ledger = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_LEDGER_MODE", "strict")];
    let callsign = Setup::to(&mock.url()).set(&ledger).toml(&toml).start();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    spend(&callsign, &headers).await;
    let said = until_usage(&callsign, &headers, 1.89e-7).await;
    assert_eq!((&said["label"], &said["limit"]), (&json!("hers"), &json!(3)));
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(text))
}

#[tokio::test]
async fn without_a_ledger_the_counters_of_limits_tell() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_LIMIT_USD_DAY", "1")]).start();
    spend(&callsign, ALICE).await;
    let key = until_usage(&callsign, ALICE, 1.26e-7).await;
    assert_eq!((&key["limit"], &key["usage_monthly"]), (&json!(1), &Value::Null));
    let without = Setup::to(&mock.url()).start();
    let key = data(&without, "key", ALICE).await;
    assert_eq!((&key["limit"], &key["usage"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn nothing_of_the_operators_account_shows() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_LIMIT_RPM", "3")]).start();
    let key = data(&callsign, "key", APP).await;
    assert_eq!((&key["limit"], &key["usage"], &key["label"]), (&Value::Null, &Value::Null, &json!("app")));
    // The shape is OpenRouter's, without its ids.
    let theirs = client::get(&format!("{}/key", mock.url()), &[("authorization", "Bearer x")]).await.json();
    let names = |data: &Value| data.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names(&key), names(&theirs["data"]));
    for id in ["creator_user_id", "organization_id", "workspace_id"] {
        assert!(key[id].is_null() && !theirs["data"][id].is_null(), "{id}");
    }
    let credits = data(&callsign, "credits", APP).await;
    assert_eq!(credits, json!({"total_credits": null, "total_usage": null}));
    assert_eq!(mock.begun(), 1, "only the test asked the mock");
    data(&callsign, "key", APP).await;
    assert_eq!(client::get(&callsign.url("key"), APP).await.status, 429, "they count as requests");
    assert_eq!(client::get(&callsign.url("credits"), &[]).await.status, 401);
    assert_eq!(client::post(&callsign.url("key"), ALICE, "{}").await.status, 405);
}

#[tokio::test]
async fn openrouter_answers_callers_with_their_own_key() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&[("CALLSIGN_PASSTHROUGH", "true")]).start();
    for path in ["key", "auth/key", "credits"] {
        let answer = client::get(&callsign.url(path), OWN_KEY).await;
        let asked = mock.received().pop().unwrap();
        assert_eq!(asked.path, format!("/api/v1/{path}"));
        assert_eq!(asked.headers["authorization"], OWN_KEY[0].1);
        assert_eq!(mock.sent(asked.number).unwrap().body, answer.body);
    }
}
