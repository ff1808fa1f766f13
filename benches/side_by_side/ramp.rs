//! Raises the rate of an open loop until a proxy falls behind.

use std::time::Duration;

use crate::load::{self, Figures};
use crate::peers::Peer;
use crate::workload::Workload;

/// A proxy has fallen behind when its p99 is longer.
const BEHIND: Duration = Duration::from_millis(50);
/// The first rate, as a share of nginx's in the closed loop.
const FIRST: f64 = 0.1;
/// The factor from one rate to the next.
const FACTOR: f64 = 1.2;
/// Maximum number of steps.
const STEPS: usize = 14;

/// The steps of one proxy.
pub(crate) struct Ramp {
    pub(crate) name: &'static str,
    /// Rates in requests per second, each with its p99 in microseconds. In the last one the proxy has fallen behind,
    /// unless there are [`STEPS`].
    pub(crate) steps: Vec<(f64, u64)>,
}

/// Raises the rate for each proxy, and prints the highest that it carried. `closed` is nginx's rate in the closed loop.
pub(crate) async fn climb(peers: &[&Peer], closed: f64, length: Duration) -> Vec<Ramp> {
    let chat = Workload::chat(64);
    let mut ramps: Vec<_> = peers.iter().map(|peer| Ramp { name: peer.name, steps: Vec::new() }).collect();
    let mut rate = closed * FIRST;
    for _ in 0..STEPS {
        for (peer, ramp) in peers.iter().zip(&mut ramps) {
            if ramp.steps.last().is_some_and(|(_, p99)| is_behind(*p99)) {
                continue;
            }
            let figures = load::open_loop(peer, &chat, rate, length).await;
            ramp.steps.push((rate, Figures::quantile(&figures.latencies, 0.99)));
        }
        rate *= FACTOR;
    }
    println!("\nRamp of 1 KB chats: the highest rate with p99 <= {BEHIND:?}");
    for ramp in &ramps {
        let carried = ramp.steps.iter().rfind(|(_, p99)| !is_behind(*p99));
        let (rate, p99) = carried.copied().unwrap_or_default();
        println!("  {:20} {rate:>10.0} requests/s, p99 {p99} us", ramp.name);
    }
    ramps
}

fn is_behind(p99: u64) -> bool {
    u128::from(p99) > BEHIND.as_micros()
}
