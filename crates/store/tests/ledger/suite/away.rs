//! Promises about a database that cannot be reached.

use std::time::Duration;

use callsign_core::usage::money::NanoUsd;

use super::place::{Place, begun, finished, only, request, until};

/// Nothing takes rows in `strict` mode: neither the database nor a spill file. The row waits in memory; when the database
/// is back, it is written, and requests are accepted again although none has come meanwhile.
pub(super) async fn a_row_that_nothing_takes_closes_the_door_until_it_is_written(place: Place) {
    let place = without_spill_file(place.strict());
    let ledger = place.open();
    let broken = place.break_down().await;
    let released =
        tokio::time::timeout(Duration::from_secs(10), ledger.begin(begun("alice")).finish(finished(1)).unwrap());
    assert_eq!(released.await, Ok(false), "the answer is not released");
    assert!(!ledger.is_available());
    assert_eq!((place.counter("callsign_ledger_late_total"), place.counter("callsign_ledger_held ")), (1, 1));
    let failures = place.counter("callsign_ledger_failures_total");
    until("it is tried again", async || place.counter("callsign_ledger_failures_total") > failures + 1).await;
    assert!(!ledger.is_available());
    broken.mend().await;
    until("requests are accepted", async || ledger.is_available()).await;
    assert_eq!(place.total().await.requests, 1, "the row was written before that");
    ledger.begin(begun("bob")).finish(finished(1)).unwrap().await;
    assert!(ledger.is_available());
    ledger.close().await;
    assert_eq!((place.total().await.requests, place.counter("callsign_ledger_lost_total")), (2, 0));
    place.assert_sums().await;
}

/// Requests that begin, run and end while nothing takes rows are written once when the database is back.
pub(super) async fn rows_that_wait_in_memory_are_written_once(place: Place) {
    let place = without_spill_file(place);
    let ledger = place.open();
    let before = ledger.begin(begun("before"));
    until("it is noted", async || place.number("SELECT COUNT(*) FROM requests").await == 1).await;
    let broken = place.break_down().await;
    for number in 0..3_000 {
        request(&ledger, begun(&format!("user-{number}")), finished(3));
    }
    let (during, after) = (ledger.begin(begun("during")), ledger.begin(begun("after")));
    until("all rows wait", async || place.counter("callsign_ledger_held ") == 3_002).await;
    before.finish(finished(3));
    during.finish(finished(3));
    until("their ends wait", async || place.counter("callsign_ledger_held ") == 3_004).await;
    broken.mend().await;
    until("nothing waits", async || place.counter("callsign_ledger_held ") == 0).await;
    after.finish(finished(3));
    ledger.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost), (3_003, NanoUsd(3 * 3_003)));
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
    place.assert_sums().await;
}

/// Makes sure that there is no spill file.
pub(super) fn without_spill_file(mut place: Place) -> Place {
    if place.is_sqlite() {
        // A directory is no spill file.
        std::fs::create_dir(place.spill()).unwrap();
    } else {
        place.settings.data_dir = None;
    }
    place
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
