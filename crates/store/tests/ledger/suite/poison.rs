//! Promises about rows that the database refuses (docs/SPEC.md#rejected-rows).

use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter, Repair, RequestFilter};
use callsign_store::org_ids::OrgIds;
use jiff::Timestamp;

use super::place::{Place, begun, begun_at, begun_of, finished, id_at, only, refused, request, until};

/// Makes the database refuse new rows with this text.
async fn refuse(place: &Place, table: &str, value: &str) {
    let column = match table {
        "requests" => "message",
        "identifiers" => "identifier",
        _ => "user_id",
    };
    let sql = if place.is_sqlite() {
        format!(
            "CREATE TRIGGER refused BEFORE INSERT ON {table} WHEN NEW.{column} LIKE '%{value}' \
             BEGIN SELECT RAISE(ABORT, 'refused {value}'); END"
        )
    } else {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({column} IS NULL OR {column} NOT LIKE '%{value}') NOT VALID"
        )
    };
    place.run(&sql).await;
}

/// Asserts that this many rows are rejected, without raw values, and that no names of the user are stored.
async fn assert_rejected(place: &Place, rows: i64) {
    let rejected =
        "SELECT COUNT(*) FROM rejected WHERE person <> 0 AND reason LIKE 'the database refused a value (code %'";
    assert_eq!(place.number(rejected).await, rows);
    assert_eq!(place.number("SELECT COUNT(*) FROM rejected WHERE reason LIKE '%mallory%'").await, 0);
    let named = "SELECT COUNT(*) FROM ledger WHERE user_id = 'mallory' OR sent_user LIKE '%mallory' \
                 OR chat LIKE '%mallory' OR message LIKE '%mallory' OR generation LIKE '%mallory'";
    assert_eq!(place.number(named).await, 0);
    for identifier in ["mallory", "acme_mallory", "chat of mallory"] {
        assert_eq!(place.reader().whois(identifier, &OrgIds::default()).await.unwrap(), [], "{identifier}");
    }
    place.assert_sums().await;
}

pub(super) async fn a_refused_row_costs_only_itself(place: Place) {
    place.come_and_go().await;
    refuse(&place, "requests", "mallory").await;
    let ledger = place.open();
    // The refused row is first written as begun, and ends later.
    let long = ledger.begin(begun("mallory"));
    long.answered(Some("gen-of-mallory"));
    until("it is set aside", async || place.number("SELECT COUNT(*) FROM rejected").await == 1).await;
    for number in 0..300 {
        let user = if number == 100 { "mallory".to_owned() } else { format!("user-{}", number % 5) };
        request(&ledger, begun(&user), finished(1));
    }
    long.finish(finished(50));
    ledger.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost), (301, NanoUsd(350)));
    let of_others = place.reader().usage(By::User, &Filter::default()).await.unwrap();
    assert!(
        of_others.iter().all(|line| line.requests == if line.key.is_none() { 2 } else { 60 } || line.requests == 59)
    );
    assert_rejected(&place, 2).await;
    // The long row was refused as begun and at its end.
    assert_eq!(place.counter("callsign_ledger_rejected_total"), 3);
    place.assert_smooth();
}

pub(super) async fn a_refused_row_comes_back_from_the_spill_file(place: Place) {
    place.come_and_go().await;
    refuse(&place, "requests", "mallory").await;
    let away = place.away();
    let ledger = away.open();
    for user in ["alice", "mallory", "bob"] {
        request(&ledger, begun(user), finished(1));
    }
    ledger.close().await;
    assert_eq!(place.spilled().await, 3);
    for _ in 0..2 {
        place.come_and_go().await;
        assert_eq!((place.total().await.requests, place.spilled().await), (3, 0));
        assert_rejected(&place, 1).await;
    }
    assert_eq!(place.counter("callsign_ledger_rejected_total"), 1);
    place.assert_smooth();
}

/// The row itself is accepted, and what it adds to another table is not.
pub(super) async fn refused_sums_cost_only_their_row(place: Place) {
    place.come_and_go().await;
    refuse(&place, "people", "mallory").await;
    let ledger = place.open();
    request(&ledger, begun("alice"), finished(1));
    request(&ledger, begun("mallory"), finished(2));
    let now = Timestamp::now().as_microsecond();
    for _ in 0..5 {
        request(&ledger, begun_at("mallory", now), refused(429, "rate_limited"));
    }
    ledger.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost, total.refused), (2, NanoUsd(3), 5));
    assert_rejected(&place, 3).await;
    place.assert_smooth();
}

pub(super) async fn a_refused_row_of_a_dead_process_is_taken_over(place: Place) {
    let ledger = place.open();
    let running = ["alice", "mallory"].map(|user| ledger.begin(begun(user)));
    ledger.close().await;
    refuse(&place, "requests", "mallory").await;
    let next = place.open();
    request(&next, begun("bob"), finished(1));
    next.close().await;
    drop(running);
    let total = place.total().await;
    assert_eq!((total.requests, total.never), (3, 2));
    let nameless = "SELECT COUNT(*) FROM ledger WHERE user_id IS NULL AND ending = 4";
    assert_eq!((place.number(nameless).await, place.number("SELECT COUNT(*) FROM nodes").await), (1, 1));
    assert_rejected(&place, 1).await;
    place.assert_smooth();
    assert_eq!(only(place.reader().usage(By::Tenant, &Filter::default()).await.unwrap()).requests, 3);
}

/// Rows of a large batch are added to the sums later. Only then is what one of them adds refused.
pub(super) async fn refused_sums_of_a_large_batch_cost_only_their_row(place: Place) {
    place.come_and_go().await;
    refuse(&place, "identifiers", "mallory").await;
    let ledger = place.open();
    for number in 0..200 {
        let user = if number == 100 { "mallory" } else { "bob" };
        request(&ledger, begun(user), finished(1));
    }
    ledger.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost), (200, NanoUsd(200)));
    assert_rejected(&place, 1).await;
    assert_eq!(place.number("SELECT COUNT(*) FROM unsummed").await, 0);
    place.assert_smooth();
}

pub(super) async fn a_rejected_row_is_repaired_or_dropped(place: Place) {
    place.come_and_go().await;
    refuse(&place, "requests", "mallory").await;
    let ledger = place.open();
    for user in ["alice", "mallory", "mallory"] {
        request(&ledger, begun_of("acme", user), finished(5));
    }
    ledger.close().await;
    let (reader, keeper) = (place.reader(), place.keeper());
    let rejected = reader.rejected().await.unwrap();
    let costs = rejected.iter().map(|row| row.request.as_ref().unwrap().ended.as_ref().unwrap().usage.cost);
    assert_eq!(costs.collect::<Vec<_>>(), [Some(NanoUsd(5)); 2]);
    let [first, second] = [rejected[1].id, rejected[0].id];
    let caller = begun_of("acme", "mallory").labels;
    let other = begun_of("acme", "bob").labels;
    assert_eq!(keeper.repair(id_at(0), &caller).await.unwrap(), Repair::NotRejected);
    assert_eq!(keeper.repair(first, &other).await.unwrap(), Repair::OtherCaller);
    assert_eq!(keeper.repair(first, &caller).await.unwrap(), Repair::Done);
    assert_eq!(keeper.repair(first, &caller).await.unwrap(), Repair::NotRejected);
    let usage = reader.usage(By::User, &Filter::default()).await.unwrap();
    let of = |user: Option<&str>| usage.iter().find(|line| line.key.as_deref() == user).map(|line| line.cost.0);
    assert_eq!([of(Some("alice")), of(Some("mallory")), of(None)], [Some(5); 3]);
    let request = only(reader.request(&first.to_string()).await.unwrap());
    assert_eq!(request.begun.labels.user.as_deref(), Some("mallory"));
    let filter = Filter { user: Some("mallory".to_owned()), ..Filter::default() };
    let filter = RequestFilter { common: filter, ..RequestFilter::default() };
    let page = reader.requests(&filter, 10, std::time::Duration::MAX).await.unwrap();
    assert_eq!(only(page.requests).begun.id, first);
    place.assert_sums().await;
    assert_eq!(keeper.drop_rejected(Some(second)).await.unwrap(), 1);
    assert_eq!((keeper.drop_rejected(None).await.unwrap(), reader.rejected().await.unwrap()), (0, vec![]));
    assert_eq!(place.total().await.requests, 3);
    place.assert_sums().await;
}
