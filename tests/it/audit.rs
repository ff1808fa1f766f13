//! The self-audit re-reads bodies that were sent upstream and finds no fault in them.

use crate::support::client;
use crate::support::proxy::{ALICE, VALVES, callsign};
use crate::support::within;

async fn counted(callsign: &crate::support::proxy::Callsign, name: &str) -> u64 {
    let text = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

#[tokio::test]
async fn one_held_body_in_a_thousand_is_read_again() {
    let (_mock, callsign) = callsign(&VALVES).await;
    let body = r#"{"model":"m","user":"mallory","prompt_cache_key":"k","User":1}"#;
    assert_eq!(counted(&callsign, "callsign_self_audits_total").await, 0);
    for _ in 0..3 {
        assert_eq!(client::post(&callsign.url("chat/completions"), ALICE, body).await.status, 200);
    }
    // The first body is audited, after its answer.
    within("the audit", async { while counted(&callsign, "callsign_self_audits_total").await == 0 {} }).await;
    assert_eq!(counted(&callsign, "callsign_self_audits_total").await, 1);
    assert_eq!(counted(&callsign, "callsign_self_audit_failures_total").await, 0);
    assert_eq!(counted(&callsign, "callsign_self_audit_unreadable_total").await, 0);
    assert_eq!(client::get(&callsign.admin_url("readyz"), &[]).await.status, 200);
}
