//! Three nodes whose clocks are minutes apart, while callers are blocked and unblocked and exhaust budgets, nodes are
//! killed with SIGKILL, and Redis and PostgreSQL go away, come back, lose their memory, or come back with an old copy.
//!
//! ```console
//! $ cargo test --test state -- --rounds 20
//! $ cargo test --test state -- --rounds 1 --seed 17     # repeats the steps of one round
//! ```
//!
//! The seed also selects the kind of the round (`kind.rs`). It must be true that:
//!
//! - A change that was stored is never lost. In the end all nodes agree.
//! - A person whose block was acknowledged is refused by all running nodes: no request that starts a second later
//!   passes (`board.rs`). During an outage of the state's home this holds for the node of the directory.
//! - Nobody spends more than a budget allows, by the mock OpenRouter's books (`checks.rs`).
//! - Each whole answer has a row in the ledger, except what PostgreSQL had and lost.
//!
//! Needs `redis-server`, PostgreSQL and libfaketime.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints progress"
)]

mod board;
mod caller;
mod change;
mod checks;
mod clocks;
mod cluster;
mod copy;
mod faults;
mod figures;
mod kind;
mod postgres;
mod random;
mod redis;
mod round;
#[path = "../redis/server.rs"]
mod server;
#[path = "../it/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Instant;

use figures::Figures;
use kind::{KINDS, Kind};
use postgres::Template;
use random::Random;

/// People. Person `n` is blocked and unblocked with the directory of node `n % NODES`, as by one operator.
const PEOPLE: usize = 6;

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
    let mut template = None;
    for round in 0..rounds {
        let seed = seed.unwrap_or_else(|| u64::from(getrandom::u32().unwrap()) * KINDS + round % KINDS);
        let kind = Kind::of(seed);
        println!("round {}, --seed {seed}, {kind:?}", round + 1);
        let template = kind.has_postgres().then(|| &*template.get_or_insert_with(Template::new));
        let began = Instant::now();
        round::run(kind, template, &mut Random::new(seed), &mut figures).await;
        figures.rounds += 1;
        println!("   {:.1} s", began.elapsed().as_secs_f64());
    }
    println!("{figures}");
    println!("no block, no budget and no row was lost");
    ExitCode::SUCCESS
}
