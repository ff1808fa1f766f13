//! Promises about refusals (docs/SPEC.md#refusal-rows).

use callsign_store::ledger::query::{By, Filter, RequestFilter};
use jiff::Timestamp;

use super::away::without_spill_file;
use super::place::{Place, begun_at, finished, only, refused, request, until};

pub(super) async fn equal_refusals_are_one_row(place: Place) {
    let ledger = place.open();
    let now = Timestamp::now().as_microsecond();
    for number in 0..1_000 {
        request(&ledger, begun_at("alice", now), refused(429, "rate_limited"));
        if number == 500 {
            // The first part is written before the rest comes.
            until("a count is raised", async || place.total().await.refused > 1).await;
        }
    }
    request(&ledger, begun_at("alice", now), refused(403, "user_blocked"));
    request(&ledger, begun_at("bob", now), refused(429, "rate_limited"));
    request(&ledger, begun_at("alice", now), finished(1));
    ledger.close().await;
    let reader = place.reader();
    let filter = RequestFilter { error: Some("rate_limited".to_owned()), ..RequestFilter::default() };
    let page = reader.requests(&filter, 10, std::time::Duration::MAX).await.unwrap();
    let counts: Vec<_> = page.requests.iter().map(|row| (row.begun.labels.user.as_deref(), row.count)).collect();
    assert_eq!(counts, [(Some("bob"), 1), (Some("alice"), 1_000)]);
    let lines = reader.usage(By::User, &Filter { user: Some("alice".to_owned()), ..Filter::default() }).await.unwrap();
    let line = only(lines);
    assert_eq!((line.requests, line.errors, line.refused), (1, 0, 1_001));
    assert_eq!(reader.errors(&Filter::default()).await.unwrap()[0].requests, 1_001);
    assert_eq!(only(reader.mapping("alice", None).await.unwrap()).requests, 1_002);
    place.assert_sums().await;
    place.assert_smooth();
}

/// The row whose count they raise waits in memory.
pub(super) async fn refusals_whose_first_row_waits_are_counted(place: Place) {
    let place = without_spill_file(place);
    let ledger = place.open();
    let now = Timestamp::now().as_microsecond();
    let broken = place.break_down().await;
    request(&ledger, begun_at("alice", now), refused(429, "rate_limited"));
    until("it waits", async || place.counter("callsign_ledger_held ") == 1).await;
    for _ in 0..2 {
        request(&ledger, begun_at("alice", now), refused(429, "rate_limited"));
    }
    broken.mend().await;
    until("the database is back", async || place.counter("callsign_ledger_up ") == 1).await;
    for _ in 0..2 {
        request(&ledger, begun_at("alice", now), refused(429, "rate_limited"));
    }
    ledger.close().await;
    assert_eq!(place.total().await.refused, 5);
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
    place.assert_sums().await;
}

pub(super) async fn refusals_in_the_spill_file_are_counted(place: Place) {
    let now = Timestamp::now().as_microsecond();
    for _ in 0..2 {
        let away = place.away();
        let ledger = away.open();
        for _ in 0..5 {
            request(&ledger, begun_at("alice", now), refused(429, "rate_limited"));
        }
        ledger.close().await;
        assert_eq!(away.counter("callsign_ledger_lost_total"), 0);
    }
    for _ in 0..2 {
        place.come_and_go().await;
        assert_eq!(place.total().await.refused, 10);
        place.assert_sums().await;
    }
}

/// The row whose count they raise has lost its names.
pub(super) async fn refusals_after_forget_are_new_ones(place: Place) {
    let ledger = place.open();
    let now = Timestamp::now().as_microsecond();
    let refuse = || request(&ledger, begun_at("alice", now), refused(429, "rate_limited"));
    refuse();
    until("the first row is written", async || place.total().await.refused == 1).await;
    place.keeper().forget("alice", None).await.unwrap();
    refuse();
    refuse();
    ledger.close().await;
    let lines = place.reader().usage(By::User, &Filter::default()).await.unwrap();
    let counts: Vec<_> = lines.iter().map(|line| (line.key.as_deref(), line.refused)).collect();
    assert_eq!((counts.len(), place.total().await.refused), (2, 3), "{counts:?}");
    assert!(counts.contains(&(Some("alice"), 2)) && counts.contains(&(None, 1)), "{counts:?}");
    place.assert_sums().await;
}
