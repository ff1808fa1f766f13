//! Kills callsign repeatedly while it works, and compares the clients' answers with the ledger.
//!
//! ```console
//! $ cargo test --test kills -- --rounds 200                  # in each mode
//! $ cargo test --test kills -- --rounds 1 --requests 10000   # once, in the middle of 10,000 requests
//! ```
//!
//! Each round starts the real program on the same data directory, sends requests over several connections, and sends
//! SIGKILL after a random number of them. In `strict` mode every finished answer must have its row. In `fast` mode rows
//! of answers that finished within the last 50 ms (`--missing-ms`) may be missing. No row may occur twice, and the sums
//! must match the rows. Exits with 0 if all of this is true, and prints the figures.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints progress and results")]

mod books;
mod client;
mod program;

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mock_openrouter::MockServer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use books::Books;
use program::Program;

/// Concurrent connections; each sends one request after the other.
const CLIENTS: usize = 12;

struct Options {
    rounds: usize,
    /// The most requests of a round; the number is random.
    requests: usize,
    /// The time before the kill within which `fast` mode may lose rows.
    missing: Duration,
}

fn options() -> Options {
    let mut options = Options { rounds: 200, requests: 120, missing: Duration::from_millis(50) };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.next().and_then(|text| text.parse::<usize>().ok())) {
            ("--rounds", Some(rounds)) => options.rounds = rounds,
            ("--requests", Some(requests)) => options.requests = requests.max(2),
            ("--missing-ms", Some(ms)) => options.missing = Duration::from_millis(ms as u64),
            _ => panic!("usage: cargo test --test kills -- [--rounds N] [--requests N] [--missing-ms N]"),
        }
    }
    options
}

/// The results of all rounds in one mode.
#[derive(Debug, Default)]
struct Outcome {
    finished: usize,
    missing: usize,
    /// The longest time between a finished answer whose row is missing and the kill.
    oldest: Duration,
    twice: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = options();
    let mut fine = true;
    for mode in ["strict", "fast"] {
        let allowed = if mode == "strict" { Duration::ZERO } else { options.missing };
        let outcome = run(mode, &options).await;
        let Outcome { finished, missing, oldest, twice } = outcome;
        println!(
            "{mode}: {} kills, {finished} answers had ended, {missing} of them have no row (ended at most {} ms before), \
             {twice} rows twice",
            options.rounds,
            oldest.as_millis()
        );
        fine &= twice == 0 && finished > 0 && (missing == 0 || oldest < allowed);
    }
    println!("{}", if fine { "nothing was lost" } else { "FAILED" });
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(mode: &str, options: &Options) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let mock = MockServer::start().await.unwrap();
    let mut ended = HashMap::new();
    for round in 0..options.rounds {
        let program = Program::start(&mock.url(), directory.path(), mode);
        ended.extend(one_round(program, round, options.requests).await);
        if round % 20 == 19 {
            println!("{mode}: {} of {} kills, {} answers", round + 1, options.rounds, ended.len());
        }
    }
    // The next run recovers the killed run's rows and shuts down cleanly.
    Program::start(&mock.url(), directory.path(), mode).terminate();
    let books = Books::read(directory.path()).await;
    books.assert_sums();
    let mut outcome = Outcome { finished: ended.len(), twice: books.twice(), ..Outcome::default() };
    for (message, before) in ended {
        if !books.has(&message) {
            outcome.missing += 1;
            outcome.oldest = outcome.oldest.max(before);
        }
    }
    outcome
}

/// Runs one round. Returns every message with a finished answer, and the time from its end to the kill.
async fn one_round(program: Program, round: usize, most: usize) -> Vec<(String, Duration)> {
    let (ends, mut ending) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client::run(program.data, format!("{round}-{number}"), ends.clone()));
    }
    drop(ends);
    let enough = 1 + usize::try_from(getrandom::u32().unwrap()).unwrap() % (most - 1);
    let mut ended: Vec<(String, Instant)> = Vec::new();
    while ended.len() < enough {
        ended.push(ending.recv().await.unwrap_or_else(|| panic!("all clients have given up")));
    }
    let kill = Instant::now();
    program.kill();
    while let Ok(end) = ending.try_recv() {
        ended.push(end);
    }
    clients.abort_all();
    ended.into_iter().map(|(message, at)| (message, kill.saturating_duration_since(at))).collect()
}
