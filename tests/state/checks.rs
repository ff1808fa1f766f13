//! Checks at the end of a round: the rows of the ledger, and the budgets.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use mock_openrouter::MockServer;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use crate::caller::{AT_A_TIME, RESERVED, SPENDERS, spender_id};
use crate::cluster::{BUDGET, Cluster};
use crate::figures::Figures;
use crate::kind::Kind;

/// Ended requests. Refusals of a minute share a row.
const ENDED: &str = "SELECT message FROM requests WHERE message IS NOT NULL AND ending IS NOT NULL AND ending <> 3";

/// Starts everything, and waits until no row is in a spill file. Returns the time until which all finished requests have
/// their rows; later ones are written to the database before they finish.
pub(crate) async fn until_rows_are_written(cluster: &mut Cluster) -> Instant {
    cluster.start_everything().await;
    no_row_is_missing(cluster).await;
    // The nodes use the database again. Requests that finished meanwhile may still be in a spill file.
    let until = Instant::now();
    no_row_is_missing(cluster).await;
    until
}

/// Waits until each request that was finished before this call has its row, except those that PostgreSQL had and lost.
/// Rows of an outage come late, from a node's spill file.
pub(crate) async fn no_row_is_missing(cluster: &Cluster) {
    let finished: Vec<_> = cluster.board.seen().finished.clone();
    let is_lost = |at| cluster.postgres_losses.iter().any(|(from, to)| *from <= at && at <= *to);
    let mut missing: HashSet<_> = finished.into_iter().filter(|(_, at)| !is_lost(*at)).map(|(id, _)| id).collect();
    let wait = async {
        loop {
            for message in messages(cluster).await {
                missing.remove(&message);
            }
            if missing.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = tokio::time::timeout(crate::support::LIMIT, wait).await;
    if ended.is_err() {
        let few: Vec<_> = missing.iter().take(5).collect();
        panic!("{} finished requests have no row: {few:?}", missing.len());
    }
}

/// Returns the message ids of all rows. None occurs twice.
async fn messages(cluster: &Cluster) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut add =
        |message: String| assert!(!found.contains(&message) && found.insert(message.clone()), "{message} has two rows");
    if let Some(postgres) = &cluster.postgres {
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        // After a loss the table may not be there yet.
        let rows = sqlx::query(ENDED).fetch_all(&mut connection).await.unwrap_or_default();
        for row in &rows {
            add(row.get(0));
        }
        return found;
    }
    for directory in &cluster.directories {
        let mut connection = sqlite(&directory.path().join("ledger.db")).await;
        let rows = sqlx::query(ENDED).fetch_all(&mut connection).await.unwrap();
        for row in &rows {
            add(row.get(0));
        }
        connection.close().await.unwrap();
    }
    found
}

async fn sqlite(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).read_only(true).connect().await.unwrap()
}

/// Checks that no spender spent more than the budget (docs/SPEC.md#reservations). With `allow` a counter that began at zero
/// again may have been spent as well: the one of a node during an outage, and Redis's after a loss, because no ledger knows
/// all nodes.
pub(crate) fn budgets_hold(cluster: &Cluster, figures: &mut Figures) {
    let spent = spent(&cluster.mock);
    for spender in 0..SPENDERS {
        let user = spender_id(spender);
        let spent = spent.get(&user).copied().unwrap_or_default();
        let broken = cluster.board.seen().broken.get(&user).copied().unwrap_or_default() as u64;
        let most = match cluster.kind {
            Kind::PostgresGoesBack => BUDGET,
            // What ran when Redis lost its memory is not counted.
            Kind::RedisGoesBack => BUDGET + RESERVED * (AT_A_TIME as u64 + broken),
            Kind::RedisIsHome => BUDGET * (1 + cluster.redis_losses + cluster.processes),
        };
        assert!(spent <= most, "{user} spent {spent} of {most} nano-dollars");
        match cluster.kind {
            Kind::PostgresGoesBack => figures.most_spent = figures.most_spent.max(spent * 1000 / BUDGET),
            Kind::RedisGoesBack => {
                figures.most_spent_after_loss = figures.most_spent_after_loss.max(spent * 1000 / BUDGET);
            }
            Kind::RedisIsHome => {}
        }
    }
}

/// Returns the nano-dollars that OpenRouter charged for each user.
fn spent(mock: &MockServer) -> HashMap<String, u64> {
    let mut messages = HashMap::new();
    for received in mock.received() {
        let Some(sent) = mock.sent(received.number) else { continue };
        let Some(generation) = sent.headers.get("x-generation-id") else { continue };
        let message = received.json().unwrap()["metadata"]["message_id"].as_str().unwrap().to_owned();
        messages.insert(generation.to_str().unwrap().to_owned(), message);
    }
    let mut spent: HashMap<String, u64> = HashMap::new();
    for entry in &mock.books().entries {
        let user = messages[&*entry.generation].split('.').next().unwrap();
        *spent.entry(user.to_owned()).or_default() += entry.cost;
    }
    spent
}
