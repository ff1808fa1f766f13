//! Costs that arrive late: rows and budgets get them, and the look-ups are polite (docs/SPEC.md#reconciliation).

use callsign_store::ledger::query::{By, Filter, UsageRow};
use callsign_store::ledger::settings::{Mode, Settings, Store};
use callsign_store::ledger::{Keeper, Reader};
use mock_openrouter::MockServer;
use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{self, Answer};
use crate::support::peer::Peer;
use crate::support::proxy::{ALICE, ALICE_KEY, Callsign, Setup, until_free};
use crate::support::records::{Scripted, Upstream};
use crate::support::within;

/// Five requests with the default estimate ($0.01) use these budgets up.
const BUDGETS: [(&str, &str); 2] = [("CALLSIGN_LIMIT_USD_DAY", "0.05"), ("CALLSIGN_LIMIT_TOKENS_DAY", "10000")];

/// Starts a callsign with reconciliation over a ledger in a directory.
fn start(upstream: &str, directory: &TempDir, variables: &[(&str, &str)]) -> Callsign {
    let data = directory.path().to_str().unwrap();
    let ours = [("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LEDGER_MODE", "strict"), ("CALLSIGN_RECONCILE", "on")];
    Setup::to(upstream).set(&ours).set(&[("SEND_END_USER_ID", "true")]).set(variables).start()
}

fn ledger(directory: &TempDir) -> Settings {
    Settings {
        store: Some(Store::Sqlite(directory.path().join("ledger.db"))),
        mode: Mode::Fast,
        retention_days: 400,
        data_dir: None,
        data_dir_set: false,
    }
}

/// Returns the sums of all requests in a ledger.
async fn sums(directory: &TempDir) -> UsageRow {
    let rows = Reader::open(&ledger(directory)).unwrap().usage(By::User, &Filter::default()).await.unwrap();
    rows.into_iter().fold(UsageRow::default(), |mut sum, row| {
        sum.add(&row);
        sum
    })
}

async fn looked_up(callsign: &Callsign, result: &str, count: u64) {
    let name = format!("callsign_reconcile_lookups_total{{result=\"{result}\"}}");
    within(&name, async { while callsign.metric(&name).await < count {} }).await;
}

/// Waits until the ledger has `cost` nano-dollars, and no pending cost.
async fn settled(directory: &TempDir, cost: i64) {
    within("the costs", async {
        loop {
            let sums = sums(directory).await;
            if sums.pending == 0 {
                assert_eq!(sums.total_cost().0, cost);
                return;
            }
        }
    })
    .await;
}

async fn chat(callsign: &Callsign, model: &str) -> Answer {
    let body = json!({"model": model, "messages": [], "max_tokens": 100}).to_string();
    client::post(&callsign.url("chat/completions"), ALICE, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_takes_its_true_cost_from_the_budget() {
    let (mock, directory) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    let callsign = start(&mock.url(), &directory, &BUDGETS);
    let speech = json!({"model": "mock/cost-2000000", "input": "x", "voice": "y"}).to_string();
    let url = callsign.url("audio/speech");
    let ask = || client::post(&url, ALICE, speech.clone());
    for _ in 0..5 {
        assert_eq!(ask().await.status, 200);
    }
    looked_up(&callsign, "found", 5).await;
    settled(&directory, 10_000_000).await;
    within("the budget", async { while ask().await.status != 200 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_clicks_take_their_true_cost_from_the_budget() {
    let (mock, directory) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    let callsign = start(&mock.url(), &directory, &BUDGETS);
    let body =
        json!({"model": "mock/gate+cost-2000000", "stream": true, "messages": [], "max_tokens": 100}).to_string();
    for stops in 1..=5 {
        let mut peer = Peer::connect(callsign.address()).await;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE_KEY}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        peer.send(head.as_bytes()).await.unwrap();
        peer.read_until(b"\r\n\r\n").await;
        drop(peer);
        within("the cut", mock.wait_cancelled(stops)).await;
    }
    looked_up(&callsign, "found", 5).await;
    settled(&directory, 10_000_000).await;
    within("the budget", async { while chat(&callsign, "m").await.status != 200 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_gets_its_cost_later() {
    let (mock, directory) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    let callsign = start(&mock.url(), &directory, &BUDGETS);
    assert_eq!(chat(&callsign, "mock/compressed-always+cost-2000000").await.status, 200);
    settled(&directory, 2_000_000).await;
    let sums = sums(&directory).await;
    assert!(sums.prompt_tokens > 0 && sums.never == 0, "{sums:?}");
}

const GENERATION: &str = "x-generation-id: gen-1\r\n";

/// Returns an answer with a generation id and without usage.
fn unknown_cost() -> Scripted {
    (200, GENERATION, json!({"id": "gen-1", "model": "a/m", "choices": [{"message": {"content": "x"}}]}).to_string())
}

fn record(external_user: &str) -> Scripted {
    (200, "", json!({"data": {"id": "gen-1", "total_cost": 0.002, "external_user": external_user}}).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_inside_a_200_costs_nothing() {
    let error = (200, GENERATION, json!({"error": {"code": 502, "message": "x"}}).to_string());
    let (upstream, directory) = (Upstream::start(error, [record("alice")]).await, TempDir::new().unwrap());
    let callsign = start(&upstream.url(), &directory, &BUDGETS);
    for _ in 0..6 {
        assert_eq!(chat(&callsign, "m").await.status, 200);
    }
    settled(&directory, 0).await;
    assert_eq!(upstream.looked_up(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_count_what_providers_bill_unless_told_otherwise() {
    let usage = json!({"prompt_tokens": 9171, "completion_tokens": 113, "cost": 0, "is_byok": true,
                       "cost_details": {"upstream_inference_cost": 0.036_079_5}});
    let body = json!({"id": "gen-1", "model": "a/m", "choices": [], "usage": usage}).to_string();
    let upstream = Upstream::start((200, GENERATION, body), [record("alice")]).await;
    for (count_byok, passed) in [(true, 2), (false, 6)] {
        let directory = TempDir::new().unwrap();
        let data = directory.path().to_str().unwrap();
        let callsign = Setup::to(&upstream.url())
            .set(&[("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LIMIT_USD_DAY", "0.08")])
            .toml(&format!("limits.count_byok = {count_byok}"))
            .start();
        let mut statuses = Vec::new();
        for _ in 0..6 {
            statuses.push(chat(&callsign, "m").await.status.as_u16());
        }
        let expected: Vec<_> = (0..6).map(|number| if number < passed { 200 } else { 429 }).collect();
        assert_eq!(statuses, expected, "{count_byok}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_user_is_ignored_and_the_estimate_stays() {
    let (upstream, directory) = (Upstream::start(unknown_cost(), [record("mallory")]).await, TempDir::new().unwrap());
    let callsign = start(&upstream.url(), &directory, &BUDGETS);
    for _ in 0..5 {
        assert_eq!(chat(&callsign, "m").await.status, 200);
    }
    looked_up(&callsign, "never", 5).await;
    settled(&directory, 0).await;
    assert_eq!((sums(&directory).await.never, callsign.metric("callsign_costs_never_total").await), (5, 5));
    assert_eq!(chat(&callsign, "m").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_rate_slows_all_look_ups() {
    let limited = (429, "", String::new());
    let (upstream, directory) = (Upstream::start(unknown_cost(), [limited]).await, TempDir::new().unwrap());
    let callsign = start(&upstream.url(), &directory, &BUDGETS);
    for _ in 0..3 {
        chat(&callsign, "m").await;
    }
    looked_up(&callsign, "later", 3).await;
    let keeper = Keeper::open(&ledger(&directory)).unwrap();
    within("the gap", async { while keeper.reserve_lookups(0).await.unwrap().1 < 100_000 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_left_alone_until_it_changes() {
    let refused = (401, "", String::new());
    let (upstream, directory) = (Upstream::start(unknown_cost(), [refused]).await, TempDir::new().unwrap());
    let callsign = start(&upstream.url(), &directory, &BUDGETS);
    assert_eq!(chat(&callsign, "m").await.status, 200);
    looked_up(&callsign, "refused", 1).await;
    let (status, text) = callsign.ready().await;
    assert!(status == 200 && text.contains("refuses generation records to a key (401)"), "{text}");
    assert_eq!(chat(&callsign, "m").await.status, 200);
    // A record of another account is looked up meanwhile.
    assert_eq!((upstream.looked_up(), sums(&directory).await.pending), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_picks_up_what_was_pending() {
    let missing = (404, "", String::new());
    let (upstream, directory) = (Upstream::start(unknown_cost(), [missing]).await, TempDir::new().unwrap());
    let callsign = start(&upstream.url(), &directory, &BUDGETS);
    assert_eq!(chat(&callsign, "m").await.status, 200);
    looked_up(&callsign, "not_yet", 1).await;
    assert_eq!(callsign.metric("callsign_costs_never_total").await, 0);
    drop(callsign);
    until_free(directory.path()).await;
    upstream.set_record(record("alice"));
    let callsign = start(&upstream.url(), &directory, &BUDGETS);
    settled(&directory, 2_000_000).await;
    looked_up(&callsign, "found", 1).await;
}
