//! Checks the ledger after the run: every answer that a client received is exactly one row of its user.

use std::collections::HashMap;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use crate::upstream::Upstream;

/// Compares the ledger with the upstream and the clients. At most `unknown` requests, which broke off, may lack a row.
pub(crate) async fn are_right(postgres: &str, upstream: &Upstream, completed: &HashMap<String, usize>, unknown: usize) {
    let mut connection = PgConnection::connect(postgres).await.unwrap();
    let rows = sqlx::query("SELECT message, user_id, sent_user, ending, status, cost FROM ledger");
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    let mut of: HashMap<String, (String, Option<i64>)> = HashMap::with_capacity(rows.len());
    let mut doubled = 0;
    for row in &rows {
        let (message, user): (String, String) = (row.get(0), row.get(1));
        let sent: Option<String> = row.get(2);
        assert_eq!(sent, Some(format!("acme_{user}")), "attribution of {message}");
        doubled += usize::from(of.insert(message, (user, row.get(3))).is_some());
    }
    let lost = completed.keys().filter(|message| !of.contains_key(*message)).count();
    let wrong = completed.iter().filter(|(message, user)| {
        of.get(*message).is_some_and(|(of, ending)| *of != format!("user-{user}") || *ending != Some(0))
    });
    let wrong = wrong.count();
    let arrived = upstream.messages();
    let unwritten = arrived.iter().filter(|message| !of.contains_key(*message)).count();
    println!(
        "{} rows: of {} answers {lost} lost, {doubled} doubled, {wrong} wrong; {} reached the upstream, {unwritten} of them \
         broken off by a kill before they were written",
        rows.len(),
        completed.len(),
        arrived.len(),
    );
    assert_eq!((lost, doubled, wrong), (0, 0, 0));
    assert!(unwritten <= unknown);
    assert!(completed.keys().all(|message| arrived.contains(message)));
}
