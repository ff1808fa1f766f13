//! Measures the memory of the proxies: idle, under large uploads, and with many open streams.

use std::time::Duration;

use crate::load;
use crate::peers::Peer;
use crate::workload::Workload;

/// Number of concurrent uploads.
const UPLOADS: usize = 64;
/// Number of concurrent streams.
const STREAMS: usize = 2000;

/// Prints the memory of idle proxies and the duration of their starts.
pub(crate) fn idle(peers: &[Peer]) {
    println!("\nIdle          {:>10} {:>12}", "RSS KiB", "start ms");
    for peer in peers {
        println!("  {:10} {:>11} {:>12.1}", peer.name, peer.memory(), peer.started_in.as_secs_f64() * 1e3);
    }
}

/// Prints the peak memory under load.
pub(crate) async fn under_load(peers: &[&Peer], length: Duration) {
    let uploads = Workload::image(UPLOADS);
    let streams = Workload::streams(STREAMS);
    println!("\nPeak KiB      {:>16} {:>16}", format!("{UPLOADS} x 8 MB"), format!("{STREAMS} streams"));
    for peer in peers {
        let mut peaks = Vec::new();
        for workload in [&uploads, &streams] {
            peer.forget_peak();
            load::closed_loop(peer, workload, length).await;
            peaks.push(peer.peak_memory());
        }
        println!("  {:10} {:>17} {:>16}", peer.name, peaks[0], peaks[1]);
    }
}
