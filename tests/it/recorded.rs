//! Every inference request leaves a row in the ledger: its user, identifiers, cost and outcome.

use mock_openrouter::{AccountRefusal, MockServer};
use serde_json::{Value, json};

use crate::support::client::{self, Answer};
use crate::support::proxy::{ALICE, APP, Callsign, Setup, VALVES};
use crate::support::within;

const TOKEN: &str = "an-admin-token-of-this-test";
const OPERATOR: client::Headers<'static> = &[("authorization", "Bearer an-admin-token-of-this-test")];

/// Starts callsign with a strict ledger in front of a mock: answers end after their rows are written.
async fn strict(directory: &tempfile::TempDir) -> (MockServer, Callsign) {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url())
        .set(&VALVES)
        .set(&[
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
            ("CALLSIGN_LEDGER_MODE", "strict"),
            ("CALLSIGN_ADMIN_TOKEN", TOKEN),
            ("CALLSIGN_ID_SECRET", "a-secret-for-identifiers-of-this-test"),
            ("USER_ID_FORMAT", "acme_{hmac:32 user}"),
        ])
        .start();
    (mock, callsign)
}

async fn ask(callsign: &Callsign, path: &str, headers: client::Headers<'_>, model: &str, stream: bool) -> Answer {
    let body = json!({"model": model, "stream": stream, "messages": [], "input": "x"}).to_string();
    client::post(&callsign.url(path), headers, body).await
}

/// Asks the admin API until `wanted` is true of its answer: sums follow rows within a second.
async fn admin(callsign: &Callsign, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let url = callsign.admin_url(&format!("api/v1/admin/{path}"));
    within(path, async {
        loop {
            let said = client::get(&url, OPERATOR).await.json();
            if wanted(&said) {
                return said;
            }
        }
    })
    .await
}

/// Returns a predicate that is true once the sums count this many requests.
fn counts(requests: u64) -> impl Fn(&Value) -> bool {
    move |rows| {
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter_map(|row| row["requests"].as_u64()).sum::<u64>() >= requests
    }
}

fn row<'a>(rows: &'a Value, user: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["user"] == user).unwrap_or_else(|| panic!("{user}: {rows}"))
}

#[tokio::test]
async fn costs_are_summed_by_user_to_the_last_nano_dollar() {
    let directory = tempfile::tempdir().unwrap();
    let (_mock, callsign) = strict(&directory).await;
    let bob: client::Headers<'_> = &[APP, &[("x-user-id", "bob"), ("x-chat-id", "chat-1")]].concat();
    for stream in [false, true] {
        ask(&callsign, "chat/completions", ALICE, "mock/cost-123456789", stream).await;
        ask(&callsign, "responses", ALICE, "mock/cost-1", stream).await;
        ask(&callsign, "chat/completions", bob, "mock/cost-999999999", stream).await;
    }
    ask(&callsign, "embeddings", bob, "mock/cost-3", false).await;

    let usage = admin(&callsign, "usage?by=user", counts(7)).await;
    let (alice, bob) = (row(&usage, "alice"), row(&usage, "bob"));
    assert_eq!((&alice["requests"], &alice["cost_usd"]), (&json!(4), &json!("0.24691358")));
    assert_eq!((&bob["requests"], &bob["cost_usd"]), (&json!(3), &json!("2.000000001")));
    assert_eq!(alice["errors"], 0);
    assert_eq!(alice["prompt_tokens"], json!(4 * 11));

    let models = admin(&callsign, "usage?by=model", counts(7)).await;
    let costs: Vec<_> = models.as_array().unwrap().iter().map(|row| row["cost_usd"].clone()).collect();
    assert!(costs.contains(&json!("1.999999998")) && costs.contains(&json!("0.000000003")), "{models}");
}

#[tokio::test]
async fn the_user_of_an_identifier_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (mock, callsign) = strict(&directory).await;
    let answer = ask(&callsign, "chat/completions", ALICE, "mock/echo", true).await;
    let sent = mock.next_received().await.json().unwrap();
    let generation = answer.header("x-generation-id");
    for (identifier, kind) in [(sent["user"].as_str().unwrap(), "user"), ("alice", "user"), (generation, "generation")]
    {
        let found = admin(&callsign, &format!("whois/{identifier}"), counts(1)).await;
        let first = &found[0];
        assert_eq!((&first["kind"], &first["user"]), (&json!(kind), &json!("alice")), "{identifier}: {found}");
        assert_eq!((&first["key"], &first["requests"]), (&json!("alice"), &json!(1)), "{found}");
    }
    let other = ask(&callsign, "chat/completions", ALICE, "mock/echo", false).await;
    assert_eq!(other.status, 200);
    assert_eq!(row(&admin(&callsign, "usage", counts(2)).await, "alice")["external_user_id"], sent["user"]);
}

#[tokio::test]
async fn what_breaks_off_or_is_refused_is_written_down_as_that() {
    let directory = tempfile::tempdir().unwrap();
    let (_mock, callsign) = strict(&directory).await;
    ask(&callsign, "chat/completions", ALICE, "mock/error-502", false).await;
    ask(&callsign, "chat/completions", ALICE, "mock/mid-error", true).await;
    let cut = json!({"model": "mock/cut-after-2", "stream": true}).to_string();
    let mut streaming = client::stream(&callsign.url("chat/completions"), ALICE, cut).await;
    while let Some(Ok(_)) = streaming.next().await {}
    let refused = client::post(&callsign.url("chat/completions"), ALICE, "{").await;
    assert_eq!(refused.header("x-callsign-error"), "invalid_json");
    // A cut answer does not wait for its row. The next answer's row is written after it.
    ask(&callsign, "chat/completions", ALICE, "mock/echo", false).await;

    let usage = admin(&callsign, "usage", counts(4)).await;
    let alice = row(&usage, "alice");
    assert_eq!((&alice["requests"], &alice["errors"]), (&json!(4), &json!(3)), "a refused one was never sent: {usage}");
    let metrics = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    for line in ["callsign_generations_total", "callsign_cost_nano_usd_total", "callsign_identifiers_written_total"] {
        assert!(metrics.lines().any(|found| found.starts_with(line) && !found.ends_with(" 0")), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_refused_pass_through_key_gets_the_whole_answer_without_a_row() {
    let mut answers = Vec::new();
    for mode in ["fast", "strict"] {
        let directory = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await.unwrap();
        let callsign = Setup::to(&mock.url())
            .set(&VALVES)
            .set(&[
                ("CALLSIGN_PASSTHROUGH", "true"),
                ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
                ("CALLSIGN_LEDGER_MODE", mode),
            ])
            .start();
        mock.refuse_account(Some(AccountRefusal::Unauthorized));
        let key = [("authorization", "Bearer sk-or-v1-a-key-that-was-deleted")];
        let answer = ask(&callsign, "chat/completions", &key, "mock/echo", false).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (401, ""), "{mode}");
        assert!(answer.json()["error"]["message"].is_string(), "{mode}");
        answers.push(answer.text());
    }
    assert_eq!(answers[0], answers[1]);
}
