//! Compares callsign's ledger with the account books of a mock OpenRouter, to the nano-dollar.
//!
//! Three nodes of the shipped binary write one ledger in PostgreSQL in `strict` mode. Clients send requests of many
//! costs; a tenth leaves before the end, and some answers do not tell their cost. Meanwhile nodes are killed and
//! PostgreSQL crashes. After the last reconciliation each charge must be in the ledger, or belong to a request that the
//! ledger lists as never priced or that a kill has broken off. `tests/external/books.sh` starts PostgreSQL and runs this
//! program.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints progress, and reads its settings from variables"
)]

mod client;
mod comparison;
mod nodes;

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use mock_openrouter::{MockServer, Options};
use tokio::sync::mpsc;

use client::{Progress, Seen};
use nodes::Nodes;

/// Concurrent clients; each sends one request after the other.
const CLIENTS: usize = 48;
/// Requests from one fault to the next.
const REQUESTS_PER_FAULT: usize = 700;

#[tokio::main]
async fn main() {
    let variable =
        |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run tests/external/run books"));
    let requests: usize = variable("BOOKS_REQUESTS").parse().unwrap();
    let (postgres, restart, binary) = (variable("BOOKS_POSTGRES"), variable("BOOKS_RESTART"), variable("CALLSIGN"));

    let mock = MockServer::start_with(Options { book_entries: 4 * requests, ..Options::default() }).await.unwrap();
    let nodes = Arc::new(Nodes::start(&binary, &mock.url(), &postgres));
    let seen = Arc::new(Seen::default());
    let (due, faults_due) = mpsc::unbounded_channel();
    let progress = Arc::new(Progress::new(requests, due));
    let began = Instant::now();
    let faults = tokio::spawn(faults(Arc::clone(&nodes), restart, faults_due));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(client::run(Arc::clone(&nodes), Arc::clone(&seen), Arc::clone(&progress))))
        .collect();
    drop(progress);
    for client in clients {
        client.await.unwrap();
    }
    let (kills, crashes) = faults.await.unwrap();
    println!(
        "{requests} requests in {:.1} s, {kills} kills of nodes, {crashes} crashes of PostgreSQL: {seen}",
        began.elapsed().as_secs_f64()
    );
    nodes.stop();
    // Takes over what killed nodes left, and fetches the last costs.
    nodes.start_and_stop_each();
    nodes.reconcile();
    comparison::assert_equal(&postgres, &mock, &seen, kills).await;
    assert!(kills > 0 && crashes > 0, "set BOOKS_REQUESTS to {} or more", 4 * REQUESTS_PER_FAULT);
}

/// For each message of `due`, kills a node; each third time, crashes PostgreSQL instead. Returns the numbers of both.
async fn faults(nodes: Arc<Nodes>, restart: String, mut due: mpsc::UnboundedReceiver<()>) -> (usize, usize) {
    let (mut kills, mut crashes) = (0, 0);
    while due.recv().await.is_some() {
        if (kills + crashes) % 3 == 2 {
            let command = restart.clone();
            let status = tokio::task::spawn_blocking(move || Command::new(command).status()).await.unwrap();
            assert!(status.unwrap().success(), "PostgreSQL does not restart");
            crashes += 1;
        } else {
            let nodes = Arc::clone(&nodes);
            tokio::task::spawn_blocking(move || nodes.kill_one()).await.unwrap();
            kills += 1;
        }
    }
    (kills, crashes)
}

/// Returns a random number.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap() >> 2
}
