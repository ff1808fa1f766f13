//! Collects the rounds and prints their medians.

use std::fmt::Write as _;
use std::time::Duration;

use crate::load::Figures;
use crate::peers::Peer;

/// The measurements of one workload.
pub(crate) struct Table {
    pub(crate) title: String,
    /// The text that [`Self::print`] printed.
    pub(crate) text: String,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    cpu_micros: f64,
    rate: f64,
    p50: u64,
    p99: u64,
    first_byte: u64,
}

impl Table {
    /// Creates an empty table.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), text: String::new(), rows: Vec::new() }
    }

    /// Returns the names of the peers.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        distinct(self.rows.iter().map(|row| row.name))
    }

    /// Returns the names of the peers, each with its CPU time relative to nginx's.
    pub(crate) fn ratios(&self) -> Vec<(&'static str, f64)> {
        self.names().into_iter().map(|name| (name, self.ratio(name))).collect()
    }

    /// Returns the CPU time of a peer relative to nginx's: the median of the ratios of each round, because the speed of the
    /// machine differs less within a round than between rounds.
    fn ratio(&self, name: &str) -> f64 {
        let pairs = self.of(name).zip(self.of("nginx"));
        median(pairs.map(|(row, nginx)| row.cpu_micros / nginx.cpu_micros))
    }

    /// Returns the median rate of a peer in requests per second.
    pub(crate) fn rate_of(&self, name: &str) -> f64 {
        median(self.of(name).map(|row| row.rate))
    }

    /// Adds a round.
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub(crate) fn add(&mut self, peer: &Peer, figures: &Figures, cpu: Duration) {
        let requests = figures.requests.max(1) as f64;
        self.rows.push(Row {
            name: peer.name,
            cpu_micros: cpu.as_secs_f64() * 1e6 / requests,
            rate: requests / figures.elapsed.as_secs_f64(),
            p50: Figures::quantile(&figures.latencies, 0.5),
            p99: Figures::quantile(&figures.latencies, 0.99),
            first_byte: Figures::quantile(&figures.first_bytes, 0.5),
        });
    }

    /// Prints medians over the rounds.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark")]
    pub(crate) fn print(&mut self, peers: &[&Peer]) {
        let mut text = String::new();
        let _infallible = writeln!(
            text,
            "  {:20} {:>14} {:>7} {:>10} {:>9} {:>9} {:>14} {:>9} {:>9}",
            "", "CPU us/request", "nginx=1", "requests/s", "p50 us", "p99 us", "first byte us", "RSS KiB", "peak KiB"
        );
        for peer in peers {
            let median = |value: fn(&Row) -> f64| median(self.of(peer.name).map(value));
            let _infallible = writeln!(
                text,
                "  {:20} {:>14.1} {:>7.2} {:>10.0} {:>9.0} {:>9.0} {:>14.0} {:>9} {:>9}",
                peer.name,
                median(|row| row.cpu_micros),
                self.ratio(peer.name),
                median(|row| row.rate),
                median(|row| row.p50 as f64),
                median(|row| row.p99 as f64),
                median(|row| row.first_byte as f64),
                peer.memory(),
                peer.peak_memory(),
            );
        }
        println!("\n{}\n{}", self.title, text.trim_end());
        self.text = text;
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.name == name)
    }
}

/// Returns each name once, in the order of the first ones.
pub(crate) fn distinct(all: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
