//! No client gets a byte of another client's answer, whatever the upstream and the clients do.
//!
//! ```console
//! $ cargo test --release --test nonces -- --exchanges 1000000
//! ```
//!
//! The real program runs as a process between clients and an upstream that echoes each request's nonce in head and body,
//! with a fault that the request chooses. A quarter of the exchanges use TLS. `tests/it/nonces.rs` is the short form.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints progress and results")]

#[path = "run.rs"]
mod run;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let (mut exchanges, mut seed, mut pool) = (1_000_000, std::process::id().into(), "inline".to_owned());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match (word.as_str(), value.parse::<u64>()) {
            ("--exchanges", Ok(number)) => exchanges = number,
            ("--seed", Ok(number)) => seed = number,
            ("--pool", _) => pool = value,
            _ => panic!("usage: cargo test --test nonces -- [--exchanges N] [--seed N] [--pool inline|hyper]"),
        }
    }
    let variables = [("CALLSIGN_UPSTREAM_POOL", pool.as_str())];
    let mut wrong = Vec::new();
    for (exchanges, has_tls) in [(exchanges - exchanges / 4, false), (exchanges / 4, true)] {
        let (text, found) = run::run(exchanges, seed, has_tls, &variables).await;
        println!("{text}");
        wrong.extend(found);
    }
    for what in wrong.iter().take(50) {
        println!("FAILED: {what}");
    }
    if wrong.is_empty() {
        println!("nonces passed: no foreign nonce in {exchanges} exchanges");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
