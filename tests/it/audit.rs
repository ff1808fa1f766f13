//! The self-audit re-reads bodies that were sent upstream and finds no fault in them.

use crate::support::client;
use crate::support::proxy::{ALICE, VALVES, callsign};
use crate::support::within;

#[tokio::test]
async fn one_held_body_in_a_thousand_is_read_again() {
    let (_mock, callsign) = callsign(&VALVES).await;
    let body = r#"{"model":"m","user":"mallory","prompt_cache_key":"k","User":1}"#;
    assert_eq!(callsign.metric("callsign_self_audits_total").await, 0);
    for _ in 0..3 {
        assert_eq!(client::post(&callsign.url("chat/completions"), ALICE, body).await.status, 200);
    }
    // The first body is audited, after its answer.
    within("the audit", async { while callsign.metric("callsign_self_audits_total").await == 0 {} }).await;
    assert_eq!(callsign.metric("callsign_self_audits_total").await, 1);
    assert_eq!(callsign.metric("callsign_self_audit_failures_total").await, 0);
    assert_eq!(callsign.metric("callsign_self_audit_unreadable_total").await, 0);
    assert_eq!(callsign.ready().await.0, 200);
}
