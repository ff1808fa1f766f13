//! Compares callsign with nginx, HAProxy, LiteLLM and Portkey in one run:
//! `cargo bench --bench side_by_side [-- --quick] [--only NAME]`.
//!
//! Everything runs on loopback, bounded in count and time: a mock upstream that answers at once, a load generator, and
//! each proxy as a child process. The rounds of the proxies are interleaved, so that other load on the machine affects
//! all of them. On a small machine, compare CPU per request of the proxy's processes; rates and latencies also depend
//! on the generator and the upstream. The benchmark installs nothing: it skips a missing proxy and says so.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its results and fails by panicking")]

#[expect(dead_code, reason = "only other benchmarks use the rest")]
#[path = "../support/bodies.rs"]
mod bodies;
mod gateways;
mod load;
mod memory;
mod peers;
mod table;
mod upstream;
mod workload;

use std::time::Duration;

use peers::Peer;
use table::Table;
use workload::{Answer, Workload};

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    // `cargo test --benches` passes these flags; there is nothing to test.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let only = std::env::args().skip_while(|arg| arg != "--only").nth(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(
        if quick { Duration::from_millis(700) } else { Duration::from_secs(3) },
        if quick { 2 } else { 5 },
        only.as_deref(),
    ));
}

async fn run(length: Duration, rounds: usize, only: Option<&str>) {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let upstream = upstream::start().await;
    let directory = tempfile::tempdir().unwrap();
    let mut peers = Vec::new();
    for kind in peers::ALL {
        match Peer::start(kind, upstream, directory.path()).await {
            Ok(peer) => peers.push(peer),
            Err(error) => println!("skipped: {error}"),
        }
    }
    println!(
        "{rounds} rounds of {length:?} per proxy and workload; upstream and load generator run on the same machine"
    );
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    if wanted("memory") {
        memory::idle(&peers);
    }
    let mut rate = 0.0;
    for workload in Workload::closed().into_iter().filter(|workload| wanted(workload.name)) {
        // A paced stream takes a second, so a round must be longer.
        let length = if workload.answer == Answer::Paced { length.max(Duration::from_secs(3)) } else { length };
        let supported: Vec<_> = peers.iter().filter(|peer| peer.takes(workload.answer)).collect();
        let table =
            measure(&supported, workload.name, rounds, async |peer| load::closed_loop(peer, &workload, length).await);
        let table = table.await;
        if rate == 0.0 {
            rate = table.rate_of("nginx");
        }
    }
    let fast: Vec<_> = peers.iter().filter(|peer| peer.is_fast()).collect();
    let chat = Workload::chat(64);
    for (name, rate) in [("open loop at low load", 200.0), ("open loop at half of nginx's rate", rate / 2.0)] {
        if wanted(name) && rate > 0.0 {
            let title = format!("1 KB chat, {name}: {rate:.0} requests/s");
            measure(&fast, &title, rounds, async |peer| load::open_loop(peer, &chat, rate, length).await).await;
        }
    }
    if wanted("memory") {
        memory::under_load(&fast, length).await;
    }
}

/// Runs interleaved rounds of one workload; prints and returns their table.
async fn measure(peers: &[&Peer], title: &str, rounds: usize, round: impl AsyncFn(&Peer) -> load::Figures) -> Table {
    let mut table = Table::new(title);
    for number in 0..=rounds {
        for peer in peers {
            let before = peer.cpu();
            let figures = round(peer).await;
            let cpu = peer.cpu().saturating_sub(before);
            // The first round warms up pools and caches.
            if number > 0 {
                table.add(peer, &figures, cpu);
            }
        }
    }
    table.print(peers);
    table
}
