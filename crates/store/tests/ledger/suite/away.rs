//! Promises about a database that cannot be reached.

use std::time::Duration;

use callsign_core::usage::money::NanoUsd;

use super::place::{Place, begun, finished, only, request, until};

/// Nothing takes rows in `strict` mode: neither the database nor a spill file. One row is lost; when the database is
/// back, requests are accepted again although none has come meanwhile.
pub(super) async fn a_lost_row_closes_the_door_until_the_database_answers(place: Place) {
    let mut place = place.strict();
    if place.is_sqlite() {
        // A directory is no spill file.
        std::fs::create_dir(place.spill()).unwrap();
    } else {
        place.settings.data_dir = None;
    }
    let ledger = place.open();
    let broken = place.break_down().await;
    let released =
        tokio::time::timeout(Duration::from_secs(10), ledger.begin(begun("alice")).finish(finished(1)).unwrap());
    assert!(released.await.is_ok(), "the answer is not released");
    assert!(!ledger.is_available());
    assert_eq!(place.counter("callsign_ledger_lost_total"), 1);
    let failures = place.counter("callsign_ledger_failures_total");
    until("it is tried again", async || place.counter("callsign_ledger_failures_total") > failures + 1).await;
    assert!(!ledger.is_available());
    broken.mend().await;
    until("requests are accepted", async || ledger.is_available()).await;
    ledger.begin(begun("bob")).finish(finished(1)).unwrap().await;
    assert!(ledger.is_available());
    ledger.close().await;
    assert_eq!((place.total().await.requests, place.counter("callsign_ledger_lost_total")), (1, 1));
}

/// A spill file that is read back repeatedly, with older rows of requests, counts every request once.
pub(super) async fn rows_in_the_spill_file_count_once(place: Place) {
    let away = place.away();
    let ledger = away.open();
    for number in 0..50 {
        request(&ledger, begun(&format!("user-{}", number % 5)), finished(3));
    }
    let entry = ledger.begin(begun("long"));
    until("the begun request is spilled", async || away.counter("callsign_ledger_spilled_total") == 51).await;
    let still_running = std::fs::read(place.spill()).unwrap();
    entry.finish(finished(3));
    let running = ledger.begin(begun("running"));
    running.answered(Some("gen-running"));
    ledger.close().await;
    assert_eq!(away.counter("callsign_ledger_lost_total"), 0);

    let spilled = std::fs::read(place.spill()).unwrap();
    assert!(!still_running.is_empty() && place.spilled().await == 52);
    for _ in 0..3 {
        std::fs::write(place.spill(), &spilled).unwrap();
        place.come_and_go().await;
        assert_eq!(place.spilled().await, 0);
        let total = place.total().await;
        assert_eq!((total.requests, total.cost, total.pending), (52, NanoUsd(153), 1));
        assert_eq!(only(place.reader().mapping("user-1", None).await.unwrap()).requests, 10);
        assert_eq!(only(place.reader().owner_of("gen-running").await.unwrap()).user.as_deref(), Some("running"));
        place.assert_sums().await;
    }
    drop(running);
}
