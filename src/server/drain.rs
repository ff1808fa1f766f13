//! The orderly end: what happens between SIGTERM and exit 0 (contract, section 2, `CALLSIGN_DRAIN_*`).
//!
//! This file keeps the phase and its deadlines and is the only place that listens to signals. Closing listeners and
//! connections is `accept.rs`'s part.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A handle on the drain of the whole process; clones are the same drain.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    delay: Duration,
    total: Duration,
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Serving,
    Draining { since: Instant },
    Stopped,
}

impl Drain {
    /// A drain that has not begun. After its trigger new connections are taken for `delay`, and running responses may
    /// finish until `total`, both counted from the trigger; a `delay` beyond `total` is cut to it.
    pub fn new(delay: Duration, total: Duration) -> Self {
        let delay = delay.min(total);
        Self(Arc::new(Shared { delay, total, phase: watch::Sender::new(Phase::Serving) }))
    }

    /// Begins the drain; once it has begun, stops at once.
    pub fn trigger(&self) {
        self.0.phase.send_modify(|phase| {
            *phase = match *phase {
                Phase::Serving => Phase::Draining { since: Instant::now() },
                Phase::Draining { .. } | Phase::Stopped => Phase::Stopped,
            };
        });
    }

    /// Whether the drain has begun: from then on `/readyz` is 503.
    pub fn is_draining(&self) -> bool {
        !matches!(*self.0.phase.borrow(), Phase::Serving)
    }

    /// Whether a request that begins now is better made elsewhere: the delay is over, and so is half of the time within
    /// which everything ends. Until then it is served, since most answers fit into the rest and a lone callsign has nobody
    /// to take its place.
    pub fn is_late(&self) -> bool {
        match *self.0.phase.borrow() {
            Phase::Serving => false,
            Phase::Draining { since } => since.elapsed() >= self.0.delay.max(self.0.total / 2),
            Phase::Stopped => true,
        }
    }

    /// Waits for the trigger.
    pub async fn begun(&self) {
        self.phase(|phase| !matches!(phase, Phase::Serving)).await;
    }

    /// Waits until no new connection is to be taken: the delay after the trigger.
    pub async fn closing(&self) {
        self.after(self.0.delay).await;
    }

    /// Waits until nothing may run any longer: the total after the trigger, or the second trigger.
    pub async fn over(&self) {
        self.after(self.0.total).await;
    }

    async fn after(&self, time: Duration) {
        if let Phase::Draining { since } = self.phase(|phase| !matches!(phase, Phase::Serving)).await {
            tokio::select! {
                () = sleep_until(since + time) => {}
                _ = self.phase(|phase| matches!(phase, Phase::Stopped)) => {}
            }
        }
    }

    async fn phase(&self, wanted: impl FnMut(&Phase) -> bool) -> Phase {
        let mut phases = self.0.phase.subscribe();
        // An error means that the sender is gone, which `self` holds.
        phases.wait_for(wanted).await.map_or(Phase::Stopped, |phase| *phase)
    }
}

/// Catches SIGTERM and SIGINT from now on; the future triggers `drain` for every one of them and never ends.
///
/// # Errors
///
/// When the handlers cannot be installed. Needs a tokio runtime with IO.
pub fn signals(drain: &Drain) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let drain = drain.clone();
    Ok(async move {
        loop {
            let signal = tokio::select! {
                Some(()) = terminate.recv() => "SIGTERM",
                Some(()) = interrupt.recv() => "SIGINT",
                else => return,
            };
            if drain.is_draining() {
                tracing::warn!(signal, "stopping at once");
            } else {
                let drain_seconds = drain.0.total.as_secs();
                tracing::info!(signal, drain_seconds, "draining: running responses may finish");
            }
            drain.trigger();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(5);
    const TOTAL: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn both_times_count_from_the_trigger() {
        let drain = Drain::new(DELAY, TOTAL);
        assert!(!drain.is_draining());
        let start = Instant::now();
        drain.trigger();
        assert!(drain.is_draining());
        drain.begun().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        drain.closing().await;
        assert_eq!(start.elapsed().as_secs(), 5);
        drain.over().await;
        assert_eq!(start.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn from_half_time_on_it_is_late_but_never_within_the_delay() {
        for (delay, late_after) in [(0, 12_500), (5, 12_500), (20, 20_000)] {
            let drain = Drain::new(Duration::from_secs(delay), TOTAL);
            assert!(!drain.is_late());
            drain.trigger();
            tokio::time::advance(Duration::from_millis(late_after - 1)).await;
            assert!(!drain.is_late(), "{delay}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(drain.is_late(), "{delay}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_trigger_stops_at_once() {
        let drain = Drain::new(DELAY, TOTAL);
        let start = Instant::now();
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { tokio::join!(drain.closing(), drain.over()) }
        });
        tokio::task::yield_now().await;
        drain.trigger();
        tokio::task::yield_now().await;
        drain.trigger();
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_longer_than_the_whole_is_cut() {
        let drain = Drain::new(TOTAL, DELAY);
        let start = Instant::now();
        drain.trigger();
        drain.closing().await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[test]
    fn signals_trigger_it() {
        // In a process of its own: once caught, SIGTERM no longer ends the process, and whoever stops a test run
        // that hangs relies on it.
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "server::drain::tests::sigterm_begins_it_and_sigint_stops_it", "--ignored"]);
        let output = String::from_utf8(child.output().unwrap().stdout).unwrap();
        assert!(output.contains("1 passed"), "{output}");
    }

    #[tokio::test]
    #[ignore = "run by `signals_trigger_it`"]
    async fn sigterm_begins_it_and_sigint_stops_it() {
        let drain = Drain::new(TOTAL, TOTAL);
        tokio::spawn(signals(&drain).unwrap());
        for (name, reached) in [("TERM", true), ("INT", false)] {
            let me = std::process::id().to_string();
            let status = std::process::Command::new("sh").args(["-c", "kill -$0 $1", name, &me]).status().unwrap();
            assert!(status.success());
            if reached { drain.begun().await } else { drain.over().await }
        }
        assert!(matches!(*drain.0.phase.borrow(), Phase::Stopped));
    }
}
