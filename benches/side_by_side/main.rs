//! callsign beside nginx and HAProxy, in one run: `cargo bench --bench side_by_side [-- --quick]`.
//!
//! Everything is on loopback and bounded in count and time: a stand-in upstream that answers at once, a load generator,
//! and each proxy as a child process. The rounds of the proxies are interleaved, so that what else the machine does hits
//! all of them. The figure to trust on a small machine is CPU per request of the proxy's own processes; rates and
//! latencies depend on what generator and upstream leave over. Installs nothing: a peer that is missing is named and left
//! out.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends when something is off")]

mod load;
mod peers;
mod table;
mod upstream;
mod workload;

use std::time::Duration;

use peers::Peer;
use table::Table;
use workload::Workload;

fn main() {
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let quick = std::env::args().any(|arg| arg == "--quick");
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(
        if quick { Duration::from_millis(700) } else { Duration::from_secs(3) },
        if quick { 2 } else { 5 },
    ));
}

async fn run(length: Duration, rounds: usize) {
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
    for workload in Workload::all() {
        let mut table = Table::new(workload.name);
        for round in 0..=rounds {
            for peer in &peers {
                let before = peer.cpu();
                let figures = load::closed_loop(peer.address, &workload, length).await;
                let cpu = peer.cpu().saturating_sub(before);
                // The first round warms up pools and caches.
                if round > 0 {
                    table.add(peer, &figures, cpu);
                }
            }
        }
        table.print(&peers);
    }
}
