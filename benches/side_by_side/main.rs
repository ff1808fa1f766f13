//! callsign beside nginx, HAProxy, LiteLLM and Portkey, in one run:
//! `cargo bench --bench side_by_side [-- --quick] [--only NAME]`.
//!
//! Everything is on loopback and bounded in count and time: a stand-in upstream that answers at once, a load generator,
//! and each proxy as a child process. The rounds of the proxies are interleaved, so that what else the machine does hits
//! all of them. The figure to trust on a small machine is CPU per request of the proxy's own processes; rates and
//! latencies depend on what generator and upstream leave over. Installs nothing: a peer that is missing is named and left
//! out.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends when something is off")]

#[expect(dead_code, reason = "the other benchmarks take the rest")]
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
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let quick = std::env::args().any(|arg| arg == "--quick");
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
            Err(why) => println!("left out: {why}"),
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
        // A stream that takes a second needs a round that is longer.
        let length = if workload.answer == Answer::Paced { length.max(Duration::from_secs(3)) } else { length };
        let taking: Vec<_> = peers.iter().filter(|peer| peer.takes(workload.answer)).collect();
        let table =
            measure(&taking, workload.name, rounds, async |peer| load::closed_loop(peer, &workload, length).await);
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

/// Interleaved rounds of one workload; prints and gives their table.
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
