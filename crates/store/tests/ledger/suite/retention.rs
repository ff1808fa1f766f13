//! Promises about retention (docs/SPEC.md#clocks).

use std::sync::Arc;

use callsign_store::ledger::query::{By, Filter};
use callsign_store::org_ids::OrgIds;
use callsign_store::trusted_clock::TrustedClock;

use super::place::{Place, begun_ago, finished, request, until};

async fn users(place: &Place) -> Vec<String> {
    let mut lines = place.reader().usage(By::User, &Filter::default()).await.unwrap();
    lines.sort_by(|a, b| a.key.cmp(&b.key));
    lines.into_iter().filter_map(|line| line.key).collect()
}

async fn fill(place: &Place, days: &[i64]) {
    let ledger = place.open();
    for days in days {
        request(&ledger, begun_ago(&format!("user-{days}"), *days), finished(1));
    }
    ledger.close().await;
}

pub(super) async fn what_is_too_old_is_deleted(mut place: Place) {
    fill(&place, &[500, 399, 41, 39, 0]).await;
    for (kept, expected) in [
        (400, vec!["user-0", "user-39", "user-399", "user-41"]),
        (40, vec!["user-0", "user-39"]),
        (400, vec!["user-0", "user-39"]),
    ] {
        place.settings.retention_days = kept;
        // Retention deletes one part at the opening and one after each batch.
        let ledger = place.open();
        let reader = place.reader();
        until("what is too old is gone", async || users(&place).await == expected).await;
        ledger.close().await;
        for by in [By::Day, By::Hour] {
            assert_eq!(reader.usage(by, &Filter::default()).await.unwrap().len(), expected.len());
        }
        assert_eq!(reader.statistics().await.unwrap().users, expected.len() as u64);
        let rows = i64::try_from(expected.len()).unwrap();
        assert_eq!(place.number("SELECT COUNT(*) FROM requests").await, rows);
        assert_eq!(place.number("SELECT COUNT(*) FROM sums WHERE grain = 0").await, rows);
    }
    let reader = place.reader();
    assert_eq!(reader.whois("user-41", &OrgIds::default()).await.unwrap(), []);
    assert_eq!(reader.whois("message of user-41", &OrgIds::default()).await.unwrap(), []);
    assert_eq!(reader.whois("message of user-39", &OrgIds::default()).await.unwrap().len(), 1);
}

pub(super) async fn a_clock_that_nobody_confirms_deletes_nothing(mut place: Place) {
    fill(&place, &[500, 0]).await;
    place.settings.retention_days = 400;
    let proven = std::mem::replace(&mut place.clock, Arc::new(TrustedClock::default()));
    place.come_and_go().await;
    assert_eq!(users(&place).await, ["user-0", "user-500"]);
    if !place.is_sqlite() {
        assert!(!place.clock.wants_witness(), "PostgreSQL's clock was not asked");
    }
    place.clock = proven;
    place.come_and_go().await;
    assert_eq!(users(&place).await, ["user-0"]);
}
