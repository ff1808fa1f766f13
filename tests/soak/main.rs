//! The soak: mixed load over every endpoint for minutes, with about one request in twenty going wrong on purpose.
//!
//! ```console
//! $ cargo test --test soak -- --minutes 10
//! ```
//!
//! The real program runs as a process between clients and an upstream in this process. Every request's body has a mark
//! that names its caller. The upstream compares the identifiers with the mark, and the client compares the answer with
//! its request's number. At the end no request, socket, task or thread may be left over, and memory must not exceed
//! that after the warm-up. Exits with 0 if all of this is true, and prints the figures.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints progress and results")]

mod client;
#[path = "../it/support/json.rs"]
#[expect(dead_code, reason = "shared with tests that read more")]
mod json;
mod leaks;
mod plan;
mod program;
#[path = "../it/support/signer.rs"]
#[expect(dead_code, reason = "shared with tests that sign more")]
mod signer;
mod tally;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use client::Client;
use leaks::{Memory, Rest};
use plan::{Callers, Dice};
use program::Program;
use tally::Tally;
use upstream::Upstream;

/// Concurrent clients; each sends one request after the other.
const CLIENTS: u64 = 48;
/// Requests of the priming run, after which the program has opened its long-lived resources.
const PRIMING: u64 = 400;
/// The interval between progress lines.
const SHOW: Duration = Duration::from_secs(5);

struct Options {
    time: Duration,
    seed: u64,
}

fn options() -> Options {
    let mut options = Options { time: Duration::from_mins(10), seed: std::process::id().into() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse::<f64>().ok());
        match (word.as_str(), number()) {
            ("--minutes", Some(minutes)) => options.time = Duration::from_secs_f64(minutes * 60.0),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any seed is valid")]
            ("--seed", Some(seed)) => options.seed = seed as u64,
            _ => panic!("usage: cargo test --test soak -- [--minutes N] [--seed N]"),
        }
    }
    options
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = options();
    let tally = Arc::new(Tally::default());
    let upstream = Upstream::start(Arc::clone(&tally)).await;
    let callers = Arc::new(Callers::new());
    let program = Program::start(&upstream.url(), &tally);
    println!(
        "soaking for {:.1} minutes with {CLIENTS} clients, seed {}",
        options.time.as_secs_f64() / 60.0,
        options.seed
    );

    let soak = Soak { program: &program, upstream: &upstream, callers: &callers, tally: &tally, seed: options.seed };
    soak.run(&Until::Requests(PRIMING)).await;
    let before = soak.quiet(None).await;
    println!("after priming: {before}");
    tally.reset();

    let memory = soak.run(&Until::Time(Instant::now() + options.time)).await;
    let after = soak.quiet(Some(before)).await;
    println!("at the end:          {after}");
    report(&tally, &memory, before, after)
}

enum Until {
    Requests(u64),
    Time(Instant),
}

struct Soak<'a> {
    program: &'a Program,
    upstream: &'a Upstream,
    callers: &'a Arc<Callers>,
    tally: &'a Arc<Tally>,
    seed: u64,
}

impl Soak<'_> {
    /// Runs all clients until `until` is reached, and prints progress.
    async fn run(&self, until: &Until) -> Memory {
        let (mut memory, mut clients, start) = (Memory::default(), JoinSet::new(), Instant::now());
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for number in 0..CLIENTS {
            let dice = Dice::new(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
            let client = Client::new(self.program.data, Arc::clone(self.callers), Arc::clone(self.tally), dice);
            clients.spawn(client.run(Arc::clone(&stop)));
        }
        let mut shown = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            memory.sample(start.elapsed(), self.program.resident_kib());
            if shown.elapsed() >= SHOW {
                shown = Instant::now();
                let (resident, sockets) = (self.program.resident_kib(), self.program.sockets());
                println!("{:>5} s  {}  {resident} KiB, {sockets} sockets", start.elapsed().as_secs(), self.tally);
            }
            let over = match until {
                Until::Requests(count) => self.tally.asked() >= *count,
                Until::Time(end) => Instant::now() >= *end,
            };
            if over {
                break;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        while let Some(end) = clients.join_next().await {
            end.unwrap();
        }
        memory
    }

    /// Waits until the program is idle, with no more open than `before` if given. Returns its open resources.
    async fn quiet(&self, before: Option<Rest>) -> Rest {
        self.upstream.hang_up();
        let start = Instant::now();
        let mut last = self.program.rest().await;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let rest = self.program.rest().await;
            let settled = match before {
                Some(before) => rest.is_within(before),
                None => rest.in_flight == 0 && rest.connections == 0 && rest == last && start.elapsed().as_secs() >= 2,
            };
            if settled || start.elapsed() > Duration::from_secs(20) {
                return rest;
            }
            last = rest;
        }
    }
}

fn report(tally: &Tally, memory: &Memory, before: Rest, after: Rest) -> ExitCode {
    println!("{}", tally.report());
    println!("memory: {memory}");
    let mut faults = tally.complaints();
    if !after.is_within(before) {
        faults.push(format!("something is left: {after} instead of {before}"));
    }
    faults.extend(memory.complaint());
    for fault in &faults {
        println!("FAILED: {fault}");
    }
    if faults.is_empty() {
        println!("soak passed: wrong = 0, nothing lost, crossed, hung or left");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
