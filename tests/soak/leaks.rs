//! The resources of an idle program, and its memory over time.

use std::fmt;
use std::time::Duration;

/// The open resources of an idle program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) in_flight: u64,
    pub(crate) connections: u64,
    pub(crate) tasks: u64,
    pub(crate) sockets: usize,
    pub(crate) threads: u64,
}

impl Rest {
    /// Returns true if no more is open than before, and no request or connection.
    pub(crate) fn is_within(self, before: Self) -> bool {
        self.in_flight == 0
            && self.connections == 0
            && self.tasks <= before.tasks
            && self.sockets <= before.sockets
            && self.threads <= before.threads
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_flight, connections, tasks, sockets, threads } = self;
        write!(
            f,
            "{in_flight} in flight, {connections} connections, {tasks} tasks, {sockets} sockets, {threads} threads"
        )
    }
}

/// The share of a run in which pools and buffers grow to their size.
const WARM_UP: f64 = 0.25;
/// The tolerated growth of resident memory in KiB, since the number of pages that the allocator keeps varies.
const SLACK_KIB: u64 = 8 * 1024;

/// Resident memory over time.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<(Duration, u64)>);

impl Memory {
    pub(crate) fn sample(&mut self, at: Duration, kib: u64) {
        self.0.push((at, kib));
    }

    /// Returns the medians in KiB of the first and the last fifth after the warm-up.
    fn ends(&self) -> (u64, u64) {
        let total = self.0.last().map_or(0.0, |(at, _)| at.as_secs_f64());
        let between = |from: f64, to: f64| {
            let within = |at: &Duration| (from * total..=to * total).contains(&at.as_secs_f64());
            let mut kib: Vec<u64> = self.0.iter().filter(|(at, _)| within(at)).map(|(_, kib)| *kib).collect();
            kib.sort_unstable();
            kib.get(kib.len() / 2).copied().unwrap_or_default()
        };
        let fifth = (1.0 - WARM_UP) / 5.0;
        (between(WARM_UP, WARM_UP + fifth), between(1.0 - fifth, 1.0))
    }

    pub(crate) fn complaint(&self) -> Option<String> {
        let (first, last) = self.ends();
        (last > first + SLACK_KIB).then(|| format!("memory grew from {first} to {last} KiB"))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.ends();
        let peak = self.0.iter().map(|(_, kib)| kib).max().copied().unwrap_or_default();
        write!(f, "{first} KiB after the warm-up, {last} KiB at the end, {peak} KiB at most")
    }
}
