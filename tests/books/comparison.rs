//! Compares the ledger with the mock server's account books.

use std::collections::HashMap;

use mock_openrouter::MockServer;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use crate::CLIENTS;
use crate::client::{End, Seen};

/// `bill` of a request whose cost is known (docs/SPEC.md#answer-outcome), and of one whose cost can never be known.
const KNOWN: i64 = 1;
const NEVER: i64 = 3;

/// A row of the ledger.
struct Entry {
    bill: i64,
    cost: i64,
    generation: Option<String>,
}

/// Checks that each charge in the books is in the ledger once, with the same amount. Charges may lack only for requests
/// that the ledger lists as never priced, and for requests without a row that a kill has broken off.
pub(crate) async fn assert_equal(postgres: &str, mock: &MockServer, seen: &Seen, kills: usize) {
    let mut connection = PgConnection::connect(postgres).await.unwrap();
    let rows = rows(&mut connection).await;
    for message in seen.completed() {
        assert!(rows.contains_key(&message), "{message} was answered and has no row");
    }
    let messages = messages(mock);
    let (mut charged, mut booked, mut never, mut broken) = (0, 0, 0, 0);
    let (mut unpriced, mut lost) = (0, 0);
    let mut of_books: HashMap<&str, i64> = HashMap::new();
    let books = mock.books();
    for entry in &books.entries {
        let message = &messages[&*entry.generation];
        let cost = i64::try_from(entry.cost).unwrap();
        booked += cost;
        assert!(of_books.insert(message, cost).is_none(), "{message} was sent twice");
        match rows.get(message.as_str()) {
            Some(row) if row.bill == NEVER => {
                never += cost;
                unpriced += 1;
            }
            Some(row) => {
                assert_eq!(row.cost, cost, "the cost of {message}");
                assert!(row.generation.is_none() || row.generation.as_deref() == Some(&*entry.generation), "{message}");
                charged += row.cost;
            }
            None => {
                // A kill may also hit a request after its client has left.
                let end = seen.of(message);
                assert!(matches!(end, Some(End::Broken | End::Left)), "{message} has no row and is {end:?}");
                broken += cost;
                lost += 1;
            }
        }
    }
    let of_rows: i64 = rows.values().map(|row| row.cost).sum();
    let (summed, listed, pending) = sums(&mut connection).await;
    println!(
        "books: {booked} nano-dollars of {} requests. Ledger: {of_rows} in rows, {summed} in sums. {unpriced} requests \
         ({never} nano-dollars) are listed as never priced; {lost} ({broken}) without a row were broken off by kills",
        books.entries.len(),
    );
    assert!(lost <= kills * CLIENTS, "more requests without a row than kills can break off");
    assert_eq!(of_rows, charged, "a row has a cost that is not in the books");
    assert_eq!(summed, of_rows, "sums and rows differ");
    assert_eq!(booked, charged + never + broken);
    assert_eq!(pending, 0, "costs are still pending");
    assert!(listed >= unpriced, "a request without a cost is not listed as never priced");
    assert_eq!(listed, rows.values().filter(|row| row.bill == NEVER).count());
}

/// Returns all rows by message id.
async fn rows(connection: &mut PgConnection) -> HashMap<String, Entry> {
    let found =
        sqlx::query("SELECT message, bill, cost, generation FROM requests WHERE status <> 0 OR bill IS NOT NULL")
            .fetch_all(connection)
            .await
            .unwrap();
    let mut rows = HashMap::with_capacity(found.len());
    for row in found {
        let message: Option<String> = row.get(0);
        // Refusals of one minute share a row, which has the message of the first.
        let Some(message) = message else { continue };
        let bill: Option<i64> = row.get(1);
        let cost: Option<i64> = row.get(2);
        let bill = bill.unwrap_or_else(|| panic!("{message} is still open"));
        assert!(bill != KNOWN || cost.is_some(), "{message} has no cost");
        let entry = Entry { bill, cost: cost.unwrap_or(0), generation: row.get(3) };
        assert!(rows.insert(message.clone(), entry).is_none(), "two rows for {message}");
    }
    rows
}

/// Returns cost, never priced and pending requests of the sums.
async fn sums(connection: &mut PgConnection) -> (i64, usize, usize) {
    let row = sqlx::query(
        "SELECT CAST(SUM(cost) AS BIGINT), CAST(SUM(never) AS BIGINT), CAST(SUM(pending) AS BIGINT) FROM sums \
         WHERE grain = 2 OR (grain = 0 AND bucket_us >= (SELECT folded_us FROM state))",
    )
    .fetch_one(connection)
    .await
    .unwrap();
    let count = |index: usize| usize::try_from(row.get::<i64, _>(index)).unwrap();
    (row.get(0), count(1), count(2))
}

/// Returns the message ids of all requests that the mock server received, by generation id.
fn messages(mock: &MockServer) -> HashMap<String, String> {
    let mut messages = HashMap::new();
    for received in mock.received() {
        let Some(sent) = mock.sent(received.number) else { continue };
        let Some(generation) = sent.headers.get("x-generation-id") else { continue };
        let message = received.json().unwrap()["metadata"]["message_id"].as_str().unwrap().to_owned();
        messages.insert(generation.to_str().unwrap().to_owned(), message);
    }
    messages
}
