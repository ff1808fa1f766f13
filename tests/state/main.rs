//! Blocks and unblocks people on three nodes at random, while nodes are killed with SIGKILL and their Redis goes away,
//! comes back, loses its memory, or comes back with an old copy.
//!
//! ```console
//! $ cargo test --test state -- --rounds 20
//! $ cargo test --test state -- --rounds 1 --seed 17     # repeats one round
//! ```
//!
//! Each person is blocked and unblocked by one node's directory, as one operator would. A change that was stored is never
//! lost. A person who was blocked is refused by the node of the directory as soon as the command ends, and by all nodes a
//! second later, if Redis was there. In the end all nodes agree. Needs `redis-server`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints progress"
)]

mod cluster;
mod random;
#[path = "../redis/server.rs"]
mod server;
#[path = "../it/support/mod.rs"]
mod support;

use std::process::ExitCode;

use cluster::{Cluster, NODES};
use random::Random;

/// People. Person `n` belongs to node `n % NODES`.
const PEOPLE: usize = 6;
/// Steps of a round.
const STEPS: usize = 25;

/// The state of a person, as far as the commands told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Blocked,
    Free,
    /// A change failed, and may have happened.
    Unclear,
}

fn options() -> (u64, Option<u64>) {
    let (mut rounds, mut seed) = (20, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.next().and_then(|text| text.parse::<u64>().ok())) {
            ("--rounds", Some(number)) => rounds = number,
            ("--seed", Some(number)) => seed = Some(number),
            _ => panic!("usage: cargo test --test state -- [--rounds N] [--seed N]"),
        }
    }
    (rounds, seed)
}

#[tokio::main]
async fn main() -> ExitCode {
    let (rounds, seed) = options();
    let mut figures = Figures::default();
    for round in 0..rounds {
        let seed = seed.unwrap_or_else(|| u64::from(getrandom::u32().unwrap()));
        println!("round {}, --seed {seed}", round + 1);
        run(&mut Random::new(seed), &mut figures).await;
    }
    println!("{figures:?}");
    println!("no block was lost");
    ExitCode::SUCCESS
}

/// Counts, to see that the rounds do something.
#[derive(Debug, Default)]
struct Figures {
    changes: usize,
    stored_locally: usize,
    unclear: usize,
    kills: usize,
    outages: usize,
    old_copies: usize,
    checks: usize,
}

async fn run(random: &mut Random, figures: &mut Figures) {
    let mut cluster = Cluster::start().await;
    let mut known = [Known::Free; PEOPLE];
    for _ in 0..STEPS {
        match random.below(12) {
            0..=5 => change(&mut cluster, random, &mut known, figures).await,
            6 => {
                figures.kills += 1;
                cluster.kill(random.below(NODES));
            }
            7 | 8 => cluster.start_node(random.below(NODES)).await,
            9 => {
                figures.outages += 1;
                cluster.kill_redis();
            }
            10 => cluster.start_redis(),
            _ => {
                figures.old_copies += 1;
                match random.below(3) {
                    0 => cluster.save_redis(),
                    1 => cluster.restore_redis(),
                    _ => cluster.empty_redis(),
                }
            }
        }
    }
    cluster.start_redis();
    for node in 0..NODES {
        cluster.start_node(node).await;
    }
    for (person, known) in known.into_iter().enumerate() {
        if known != Known::Unclear {
            let status = if known == Known::Blocked { 403 } else { 200 };
            cluster.until_all(person, status).await;
            figures.checks += NODES;
        }
    }
}

/// Blocks or unblocks somebody, and checks that it is true.
async fn change(cluster: &mut Cluster, random: &mut Random, known: &mut [Known; PEOPLE], figures: &mut Figures) {
    let person = random.below(PEOPLE);
    let blocks = random.below(2) == 0;
    let said = cluster.command(person, if blocks { "block" } else { "unblock" }).await;
    figures.changes += 1;
    let wanted = if blocks { Known::Blocked } else { Known::Free };
    if said.err.contains("is not blocked") {
        assert!(!blocks && known[person] != Known::Blocked, "a block of person {person} is lost: {said:?}");
        known[person] = Known::Free;
        return;
    }
    let is_stored = said.code == 0 || said.err.contains("stored, but not applied yet");
    known[person] = if is_stored { wanted } else { Known::Unclear };
    if !is_stored {
        figures.unclear += 1;
        return;
    }
    let is_local = said.err.contains("is in state.db");
    figures.stored_locally += usize::from(is_local);
    let status = if blocks { 403 } else { 200 };
    if said.code == 0 && cluster.runs(person % NODES) {
        cluster.assert_soon(person % NODES, person, status).await;
        figures.checks += 1;
    }
    if !is_local && random.below(2) == 0 {
        for node in (0..NODES).filter(|node| cluster.runs(*node)).collect::<Vec<_>>() {
            cluster.assert_soon(node, person, status).await;
            figures.checks += 1;
        }
    }
}
