//! Compares callsign with nginx, HAProxy, Envoy, LiteLLM and Portkey in one run:
//! `cargo bench --bench side_by_side [-- --quick] [--only NAME] [--report DIRECTORY]`.
//!
//! Everything runs on loopback, bounded in count and time: a mock upstream that answers at once, a load generator, and
//! each proxy as a child process. The rounds of the proxies are interleaved, so that other load on the machine affects
//! all of them. On a small machine, compare CPU per request of the proxy's processes; rates and latencies also depend
//! on the generator and the upstream. The benchmark installs nothing: it skips a missing proxy and says so.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its results and fails by panicking")]

#[expect(dead_code, reason = "only other benchmarks use the rest")]
#[path = "../support/bodies.rs"]
mod bodies;
mod configurations;
mod gateways;
mod load;
mod memory;
mod peers;
mod ramp;
mod report;
mod table;
mod upstream;
mod workload;

use std::path::Path;
use std::time::Duration;

use peers::Peer;
use report::Report;
use table::Table;
use upstream::Target;
use workload::{Answer, Workload};

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    // `cargo test --benches` passes these flags; there is nothing to test.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let value_of = |flag: &str| std::env::args().skip_while(|arg| arg != flag).nth(1);
    let run = Run {
        length: if quick { Duration::from_millis(700) } else { Duration::from_secs(3) },
        rounds: if quick { 2 } else { 5 },
        only: value_of("--only"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut report = Report::new(value_of("--report").map(Into::into));
    runtime.block_on(run.all(&mut report));
}

/// The extent of a run.
struct Run {
    /// The length of a round.
    length: Duration,
    /// The number of rounds that count.
    rounds: usize,
    /// A part of the names of the workloads to measure.
    only: Option<String>,
}

impl Run {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    async fn all(&self, report: &mut Report) {
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let directory = tempfile::tempdir().unwrap();
        // Large bodies depend on it, also on loopback.
        let congestion = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
        println!(
            "{} rounds of {:?} per proxy and workload; upstream and load generator run on the same machine; TCP congestion \
             control: {}",
            self.rounds,
            self.length,
            congestion.trim()
        );
        self.plain(directory.path(), report).await;
        if Workload::tls().iter().any(|workload| self.wants(workload.name)) {
            let directory = tempfile::tempdir().unwrap();
            let upstream = upstream::start_tls(directory.path());
            let peers = start(&peers::FEW, &upstream, directory.path()).await;
            self.measure(&those(&peers, |_| true), Workload::tls(), report).await;
        }
    }

    /// Measures everything without TLS.
    async fn plain(&self, directory: &Path, report: &mut Report) {
        let upstream = upstream::start();
        let peers = start(&peers::ALL, &upstream, directory).await;
        if self.wants("memory") {
            memory::idle(&peers);
        }
        self.measure(&those(&peers, |_| true), Workload::closed(), report).await;
        let few = those(&peers, |peer| peers::FEW.contains(&peer.kind));
        self.measure(&few, Workload::http2(), report).await;
        let fast = those(&peers, Peer::is_fast);
        let chat = Workload::chat(64);
        let rate = report.rate_of("1 KB chat", "nginx");
        for (name, rate) in [("open loop at low load", 200.0), ("open loop at half of nginx's rate", rate / 2.0)] {
            if self.wants(name) && rate > 0.0 {
                let title = format!("1 KB chat, {name}: {rate:.0} requests/s");
                let length = self.length;
                let round = async |peer: &Peer| load::open_loop(peer, &chat, rate, length).await;
                report.add(measure(&fast, &title, self.rounds, round).await);
            }
        }
        if self.wants("ramp") && rate > 0.0 {
            report.add_ramps(ramp::climb(&few, rate, self.length).await);
        }
        if self.wants("memory") {
            memory::under_load(&fast, self.length).await;
        }
    }

    async fn measure(&self, peers: &[&Peer], workloads: impl IntoIterator<Item = Workload>, report: &mut Report) {
        for workload in workloads.into_iter().filter(|workload| self.wants(workload.name)) {
            // A paced stream takes a second, so a round must be longer.
            let is_paced = workload.answer == Answer::Paced;
            let length = if is_paced { self.length.max(Duration::from_secs(3)) } else { self.length };
            let supported: Vec<_> = peers.iter().copied().filter(|peer| peer.takes(workload.answer)).collect();
            let round = async |peer: &Peer| load::closed_loop(peer, &workload, length).await;
            report.add(measure(&supported, workload.name, self.rounds, round).await);
        }
    }
}

/// Starts the proxies that are installed.
async fn start(kinds: &[peers::Kind], upstream: &Target, directory: &Path) -> Vec<Peer> {
    let mut peers = Vec::new();
    for kind in kinds {
        match Peer::start(*kind, upstream, directory).await {
            Ok(peer) => peers.push(peer),
            Err(error) => println!("skipped: {error}"),
        }
    }
    peers
}

/// Returns the peers for which this is true.
fn those(peers: &[Peer], is_of: impl Fn(&Peer) -> bool) -> Vec<&Peer> {
    peers.iter().filter(|peer| is_of(peer)).collect()
}

/// Runs interleaved rounds of one workload; prints and returns their table.
async fn measure(peers: &[&Peer], title: &str, rounds: usize, round: impl AsyncFn(&Peer) -> load::Figures) -> Table {
    let mut table = Table::new(title);
    for number in 0..=rounds {
        for peer in peers {
            let before = peer.cpu();
            let figures = round(peer).await;
            let cpu = peer.cpu().since(&before);
            // The first round warms up pools and caches.
            if number > 0 {
                table.add(peer, &figures, cpu);
            }
        }
    }
    table.print(peers);
    table
}
