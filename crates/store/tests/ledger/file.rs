//! A file that is locked, damaged or gone.

use std::time::Duration;

use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter};
use callsign_store::ledger::settings::{Mode, Settings, Store};
use callsign_store::ledger::{Ledger, LedgerError};
use rstest::rstest;

use crate::suite::place::{Place, begun, finished, only, request, until};

async fn requests(place: &Place) -> u64 {
    let lines = place.reader().usage(By::User, &Filter::default()).await.unwrap();
    lines.iter().map(|line| line.requests).sum()
}

#[tokio::test]
async fn a_locked_file_costs_no_row_and_no_wait() {
    let place = Place::new(None);
    let ledger = place.open();
    let lock = place.break_down().await;
    // If requests waited for their rows, this would not end: the lock is released afterwards.
    for _ in 0..1000 {
        request(&ledger, begun("alice"), finished(1));
    }
    until("rows are spilled", async || place.counter("callsign_ledger_spilled_total") == 1000).await;
    assert_eq!(place.counter("callsign_ledger_up "), 0);
    lock.mend().await;
    until("they are taken back", async || requests(&place).await == 1000).await;
    until("the spill file is empty", async || place.spilled().await == 0).await;
    request(&ledger, begun("alice"), finished(1));
    ledger.close().await;
    assert_eq!(requests(&place).await, 1001);
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
    place.assert_sums().await;
}

#[tokio::test]
async fn in_strict_mode_a_locked_file_lets_the_spill_file_answer() {
    let place = Place::new(None).strict();
    let ledger = place.open();
    let lock = place.break_down().await;
    ledger.begin(begun("alice")).finish(finished(1)).unwrap().await;
    let lost = place.counter("callsign_ledger_lost_total");
    assert_eq!(lost, 0, "the answer was released by its deadline, not by its row");
    assert!(ledger.is_available(), "the row is on the disk");
    assert_eq!(place.spilled().await, 1);
    lock.mend().await;
    until("it is taken back", async || requests(&place).await == 1).await;
    ledger.close().await;
}

/// Each row has a person and a chat of its own.
#[tokio::test]
async fn a_locked_file_costs_no_row_of_invented_users() {
    const USERS: u64 = 20_000;
    let place = Place::new(None);
    let ledger = place.open();
    let lock = place.break_down().await;
    for number in 0..USERS {
        request(&ledger, begun(&format!("user-{number}")), finished(1));
    }
    until("rows are spilled", async || place.counter("callsign_ledger_spilled_total") == USERS).await;
    lock.mend().await;
    until("they are taken back", async || requests(&place).await == 20_000).await;
    ledger.close().await;
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
    place.assert_sums().await;
}

/// The spill file is a directory, or no database.
#[rstest]
#[case::unusable(None)]
#[case::damaged(Some("This is no database, and long enough to be sure of that. "))]
#[tokio::test]
async fn rows_that_neither_takes_wait_in_memory_and_requests_go_on(#[case] content: Option<&str>) {
    let place = Place::new(None);
    let ledger = place.open();
    let lock = place.break_down().await;
    match content {
        None => std::fs::create_dir(place.spill()).unwrap(),
        Some(content) => std::fs::write(place.spill(), content.repeat(100)).unwrap(),
    }
    for _ in 0..10 {
        request(&ledger, begun("alice"), finished(1));
    }
    until("they wait", async || place.counter("callsign_ledger_held ") == 10).await;
    assert!(ledger.is_available(), "fast mode does not refuse requests");
    lock.mend().await;
    until("they are written", async || requests(&place).await == 10).await;
    request(&ledger, begun("alice"), finished(1));
    ledger.close().await;
    assert_eq!((requests(&place).await, place.counter("callsign_ledger_lost_total")), (11, 0));
}

/// More rows than the memory may hold, and the end of the process.
#[tokio::test]
async fn rows_beyond_the_memory_and_at_the_end_are_counted_as_lost() {
    const MOST: u64 = 16_384;
    let place = Place::new(None);
    std::fs::create_dir(place.spill()).unwrap();
    let ledger = place.open();
    let lock = place.break_down().await;
    for _ in 0..MOST + 700 {
        request(&ledger, begun("alice"), finished(1));
    }
    until("the rest is lost", async || place.counter("callsign_ledger_lost_total") == 700).await;
    assert_eq!(place.counter("callsign_ledger_held "), MOST);
    ledger.close().await;
    assert_eq!(place.counter("callsign_ledger_lost_total"), MOST + 700);
    lock.mend().await;
}

/// The spill file refuses one row of many: the others are in it, and that one waits for the database.
#[tokio::test]
async fn a_row_that_the_spill_file_refuses_costs_no_other_row() {
    let place = Place::new(None);
    let away = place.away();
    let ledger = away.open();
    request(&ledger, begun("first"), finished(1));
    until("the spill file is there", async || away.counter("callsign_ledger_spilled_total") == 1).await;
    let spill = Settings { store: Some(Store::Sqlite(place.spill())), ..place.settings.clone() };
    let spill = Place { settings: spill, ..Place::new(None) };
    spill
        .run(
            "CREATE TRIGGER refused BEFORE INSERT ON people WHEN NEW.user_id = 'user-77' \
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .await;
    for number in 0..200 {
        request(&ledger, begun(&format!("user-{number}")), finished(1));
    }
    until("one row waits", async || away.counter("callsign_ledger_held ") == 1).await;
    until("the others are there", async || place.spilled().await == 200).await;
    spill.run("DROP TRIGGER refused").await;
    until("it is there too", async || place.spilled().await == 201).await;
    ledger.close().await;
    assert_eq!(away.counter("callsign_ledger_lost_total"), 0);
    place.come_and_go().await;
    assert_eq!(requests(&place).await, 201);
    place.assert_sums().await;
}

#[rstest]
#[case::garbage(b"This is no database at all, and long enough to be sure of that.".repeat(200))]
#[case::torn(b"SQLite format 3\0".to_vec())]
#[tokio::test]
async fn a_damaged_file_is_moved_on_from_or_refused(#[case] content: Vec<u8>) {
    let mut place = Place::new(None).strict();
    let path = place.directory.path().join("ledger.db");
    std::fs::write(&path, &content).unwrap();
    let refused = Ledger::open(&place.settings, &place.metrics, &place.clock).unwrap_err();
    assert!(matches!(refused, LedgerError::Open(_)), "{refused}");

    place.settings.mode = Mode::Fast;
    let ledger = place.open();
    request(&ledger, begun("alice"), finished(1));
    ledger.close().await;
    assert_eq!(std::fs::read(&path).unwrap(), content, "the damaged file is kept for repair");
    std::fs::remove_file(&path).unwrap();
    place.come_and_go().await;
    assert_eq!(requests(&place).await, 1);
}

#[tokio::test]
async fn a_file_that_is_deleted_is_created_again() {
    let place = Place::new(None);
    let ledger = place.open();
    request(&ledger, begun("alice"), finished(1));
    until("the first row is there", async || requests(&place).await == 1).await;
    std::fs::remove_file(place.directory.path().join("ledger.db")).unwrap();
    request(&ledger, begun("alice"), finished(1));
    until("the next one is in the new file", async || requests(&place).await == 1).await;
    ledger.close().await;
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
}

#[tokio::test]
async fn a_file_of_a_newer_callsign_is_left_alone() {
    let place = Place::new(None).strict();
    place.come_and_go().await;
    place
        .run(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (999999, 'later', TRUE, x'00', 0)",
        )
        .await;
    let refused = Ledger::open(&place.settings, &place.metrics, &place.clock).unwrap_err();
    assert!(refused.to_string().contains("newer callsign"), "{refused}");
}

#[tokio::test]
async fn a_chosen_directory_that_cannot_be_used_is_an_error_and_a_default_one_is_not() {
    let mut place = Place::new(None);
    let file = place.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    place.settings.data_dir = Some(file.join("data"));
    place.settings.store = Some(Store::Sqlite(file.join("data/ledger.db")));
    let refused = Ledger::open(&place.settings, &place.metrics, &place.clock).unwrap_err();
    assert!(matches!(refused, LedgerError::Directory(_)), "{refused}");
    place.settings.data_dir_set = false;
    assert!(!place.open().is_on());
}

#[tokio::test]
async fn a_default_directory_that_cannot_be_used_does_not_matter_to_a_database_elsewhere() {
    let mut place = Place::new(None);
    let file = place.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    place.settings.data_dir = Some(file.join("data"));
    place.settings.data_dir_set = false;
    let ledger = place.open();
    assert!(ledger.is_on());
    request(&ledger, begun("alice"), finished(1));
    ledger.close().await;
    assert_eq!(requests(&place).await, 1);
}

#[tokio::test]
async fn a_ledger_that_is_off_records_nothing() {
    let ledger = Ledger::off();
    assert!(!ledger.is_on() && ledger.is_available());
    let entry = ledger.begin(begun("alice"));
    entry.answered(Some("gen-1"));
    assert!(entry.finish(finished(1)).is_none());
    ledger.close().await;
}

/// Many tasks write rows while the file is locked and unlocked repeatedly: each row is there once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_while_the_file_comes_and_goes() {
    const TASKS: u64 = 4;
    const EACH: u64 = 3_000;
    let place = Place::new(None);
    let ledger = place.open();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    request(&ledger, begun(&format!("user-{}", number % 9)), finished(1));
                    if number % 10 == 0 {
                        // Spreads the requests over the outages.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let failures = place.counter("callsign_ledger_failures_total");
        let lock = place.break_down().await;
        request(&ledger, begun("between"), finished(1));
        until("the writer has noticed", async || place.counter("callsign_ledger_failures_total") > failures).await;
        lock.mend().await;
        until("the writer is back", async || place.counter("callsign_ledger_up ") == 1).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    until("all of them are taken back", async || place.spilled().await == 0).await;
    ledger.close().await;
    let line = only(place.reader().usage(By::Tenant, &Filter::default()).await.unwrap());
    let all = TASKS * EACH + 3;
    assert_eq!((line.requests, line.cost), (all, NanoUsd(i64::try_from(all).unwrap())));
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
    place.assert_sums().await;
}
