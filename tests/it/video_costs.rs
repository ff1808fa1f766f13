//! The cap on open video jobs, `rpm`, and the costs of jobs (docs/SPEC.md#videos).

use callsign_core::usage::judgement::Bill;
use callsign_store::ledger::query::StoredRequest;
use mock_openrouter::MockServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client;
use crate::support::proxy::ALICE;
use crate::support::{rows, within};
use crate::video_requests::{assert_refused, start};
use crate::videos::{BOB, create, read};

#[tokio::test]
async fn a_caller_has_at_most_twenty_open_jobs_and_rpm_counts_reads() {
    let (mock, data) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    let callsign = start(&mock, &data, &[]);
    for _ in 0..20 {
        create(&callsign, BOB, "mock/late-record-99").await;
    }
    let answer = client::post(&callsign.url("videos"), BOB, r#"{"model":"m"}"#).await;
    assert_refused(&answer, 429, "rate_limited", "unfinished");
    assert_eq!(answer.header("retry-after"), "30");
    create(&callsign, ALICE, "m").await;
    drop(callsign);
    let data = TempDir::new().unwrap();
    let limited = start(&mock, &data, &[("CALLSIGN_LIMIT_RPM", "3")]);
    let id = create(&limited, BOB, "m").await;
    assert_eq!(read(&limited, BOB, &id).await.status, 200);
    assert_eq!(read(&limited, BOB, &format!("{id}/content")).await.status, 200);
    assert_refused(&read(&limited, BOB, &id).await, 429, "rate_limited", "");
}

/// Waits until the row of a job has its cost.
async fn priced(data: &TempDir, id: &str) -> StoredRequest {
    let file = data.path().join("ledger.db");
    within("the cost", async {
        loop {
            let mut rows = rows::requests(&file).await.into_iter();
            let is_priced = |row: &StoredRequest| row.ended.as_ref().is_some_and(|ended| ended.bill == Bill::Known);
            if let Some(row) = rows.find(|row| row.generation.as_deref() == Some(id) && is_priced(row)) {
                return row;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_is_booked_once_by_a_poll_or_without_one() {
    let (mock, data) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    // With a budget the reconciliation begins after a second.
    let callsign = start(&mock, &data, &[("CALLSIGN_RECONCILE", "on"), ("CALLSIGN_LIMIT_USD_DAY", "5")]);
    let unpolled = create(&callsign, BOB, "mock/cost-2000000").await;
    assert_eq!(priced(&data, &unpolled).await.ended.unwrap().usage.cost.unwrap().0, 2_000_000);
    let polled = create(&callsign, BOB, "mock/cost-3000000").await;
    for _ in 0..3 {
        assert_eq!(read(&callsign, BOB, &polled).await.json()["status"], "completed");
    }
    assert_eq!(priced(&data, &polled).await.ended.unwrap().usage.cost.unwrap().0, 3_000_000);
    let spent = async {
        loop {
            let me = client::get(&format!("http://{}/callsign/v1/me", callsign.address()), BOB).await.json();
            if me["limits"]["usd_day"]["used"] == json!("0.005") {
                return me["usage"]["cost_usd"].clone();
            }
        }
    };
    assert_eq!(within("the budget", spent).await, Value::String("0.005".to_owned()));
}
