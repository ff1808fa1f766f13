//! The ledger on SQLite: its promises (`suite`), and its behaviour when the file is locked, damaged or gone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod suite;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter};
use callsign_store::ledger::settings::Store;
use callsign_store::ledger::{Ledger, LedgerError};
use futures_util::FutureExt;
use futures_util::future::join_all;
use rstest::rstest;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};

use suite::{Place, begun, finished, request, until};

/// Runs every promise, all at the same time, and names those that are broken.
#[tokio::test]
async fn on_sqlite() {
    let outcomes = suite::ALL.map(|(name, promise)| async move {
        let kept = AssertUnwindSafe(promise(Place::new(None))).catch_unwind().await;
        kept.is_err().then_some(name)
    });
    let broken: Vec<_> = join_all(outcomes).await.into_iter().flatten().collect();
    assert!(broken.is_empty(), "broken promises, see the panics above: {broken:?}");
}

/// Locks the file as another process would.
async fn locked(place: &Place) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place.directory.path().join("ledger.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute("BEGIN EXCLUSIVE").await.unwrap();
    connection
}

/// Returns the number of rows in the spill file.
async fn spilled(place: &Place) -> i64 {
    let options = SqliteConnectOptions::new().filename(place.spill()).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query_scalar("SELECT COUNT(*) FROM requests").fetch_one(&mut connection).await.unwrap()
}

/// Waits for a future; fails after ten seconds.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

async fn requests(place: &Place) -> u64 {
    let lines = place.reader().usage(By::User, &Filter::default()).await.unwrap();
    lines.iter().map(|line| line.requests).sum()
}

#[tokio::test]
async fn a_locked_file_costs_no_row_and_no_wait() {
    let place = Place::new(None);
    let ledger = place.open();
    let lock = locked(&place).await;
    for _ in 0..1000 {
        request(&ledger, begun("alice"), finished(1));
    }
    assert!(place.counter("callsign_ledger_spilled_total") < 1000, "requests waited for their rows to be written");
    until("rows are spilled", async || place.counter("callsign_ledger_spilled_total") == 1000).await;
    assert_eq!(place.counter("callsign_ledger_up "), 0);
    lock.close().await.unwrap();
    until("they are taken back", async || requests(&place).await == 1000).await;
    until("the spill file is empty", async || spilled(&place).await == 0).await;
    request(&ledger, begun("alice"), finished(1));
    ledger.close().await;
    assert_eq!(requests(&place).await, 1001);
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
}

#[tokio::test]
async fn in_strict_mode_a_locked_file_lets_the_spill_file_answer() {
    let place = Place::new(None).strict();
    let ledger = place.open();
    let lock = locked(&place).await;
    within("the spilled row", ledger.begin(begun("alice")).finish(finished(1)).unwrap()).await;
    assert_eq!(
        place.counter("callsign_ledger_lost_total"),
        0,
        "the answer was released by its deadline, not by its row"
    );
    assert!(ledger.is_available(), "the row is on the disk");
    assert!(spilled(&place).await > 0);
    lock.close().await.unwrap();
    until("it is taken back", async || requests(&place).await == 1).await;
    ledger.close().await;
}

#[tokio::test]
async fn in_strict_mode_a_lost_row_closes_the_door_until_one_is_written() {
    let place = Place::new(None).strict();
    let ledger = place.open();
    let lock = locked(&place).await;
    // A directory cannot be appended to.
    std::fs::create_dir(place.spill()).unwrap();
    // The answer is released although file and spill file stay unusable.
    within("the deadline of the answer", ledger.begin(begun("alice")).finish(finished(1)).unwrap()).await;
    assert!(!ledger.is_available());
    assert_eq!(place.counter("callsign_ledger_lost_total"), 1);
    lock.close().await.unwrap();
    // New requests are refused, so the writer itself must find out that rows can be written again.
    until("the ledger takes requests again", async || ledger.is_available()).await;
    ledger.begin(begun("bob")).finish(finished(1)).unwrap().await;
    ledger.close().await;
    assert_eq!(requests(&place).await, 1);
}

/// The spill file is a directory, or on a full disk.
#[rstest]
#[case::unusable(None)]
#[case::full(Some("/dev/full"))]
#[tokio::test]
async fn rows_that_neither_takes_are_counted_as_lost_and_requests_go_on(#[case] device: Option<&str>) {
    let place = Place::new(None);
    let ledger = place.open();
    let lock = locked(&place).await;
    match device {
        None => std::fs::create_dir(place.spill()).unwrap(),
        Some(device) => std::os::unix::fs::symlink(device, place.spill()).unwrap(),
    }
    for _ in 0..10 {
        request(&ledger, begun("alice"), finished(1));
    }
    until("they are lost", async || place.counter("callsign_ledger_lost_total") == 10).await;
    assert!(ledger.is_available(), "fast mode does not refuse requests");
    drop(lock);
    ledger.close().await;
}

#[rstest]
#[case::garbage(b"This is no database at all, and long enough to be sure of that.".repeat(200))]
#[case::torn(b"SQLite format 3\0".to_vec())]
#[tokio::test]
async fn a_damaged_file_is_moved_on_from_or_refused(#[case] content: Vec<u8>) {
    let place = Place::new(None);
    let path = place.directory.path().join("ledger.db");
    std::fs::write(&path, &content).unwrap();
    let strict = place.strict();
    let refused = Ledger::open(&strict.settings, &strict.metrics, &Arc::default()).unwrap_err();
    assert!(matches!(refused, LedgerError::Open(_)), "{refused}");

    let mut place = strict;
    place.settings.mode = callsign_store::ledger::settings::Mode::Fast;
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
    let options = SqliteConnectOptions::new().filename(place.directory.path().join("ledger.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999999, 'later', TRUE, x'00', 0)";
    connection.execute(newer).await.unwrap();
    connection.close().await.unwrap();
    let refused = Ledger::open(&place.settings, &place.metrics, &Arc::default()).unwrap_err();
    assert!(refused.to_string().contains("newer callsign"), "{refused}");
}

#[tokio::test]
async fn a_chosen_directory_that_cannot_be_used_is_an_error_and_a_default_one_is_not() {
    let mut place = Place::new(None);
    let file = place.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    place.settings.data_dir = Some(file.join("data"));
    place.settings.store = Some(Store::Sqlite(file.join("data/ledger.db")));
    let refused = Ledger::open(&place.settings, &place.metrics, &Arc::default()).unwrap_err();
    assert!(matches!(refused, LedgerError::Directory(_)), "{refused}");
    place.settings.data_dir_set = false;
    assert!(!Ledger::open(&place.settings, &place.metrics, &Arc::default()).unwrap().is_on());
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
async fn a_ledger_that_is_off_costs_nothing_and_says_nothing() {
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
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let failures = place.counter("callsign_ledger_failures_total");
        let lock = locked(&place).await;
        until("the writer has noticed", async || place.counter("callsign_ledger_failures_total") > failures).await;
        lock.close().await.unwrap();
        until("the writer is back", async || place.counter("callsign_ledger_up ") == 1).await;
        request(&ledger, begun("between"), finished(1));
    }
    for task in tasks {
        task.await.unwrap();
    }
    until("all of them are taken back", async || spilled(&place).await == 0).await;
    ledger.close().await;
    let lines = place.reader().usage(By::Tenant, &Filter::default()).await.unwrap();
    assert_eq!(
        (lines[0].requests, lines[0].cost),
        (TASKS * EACH + 3, NanoUsd(i64::try_from(TASKS * EACH + 3).unwrap()))
    );
    assert_eq!(place.counter("callsign_ledger_lost_total"), 0);
}
