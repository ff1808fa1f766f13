//! Graceful shutdown: the drain between SIGTERM and exit code 0 (`docs/SPEC.md#shutdown`).
//!
//! This module keeps the drain's phase and deadlines, and handles SIGTERM and SIGINT. `accept.rs` closes the listeners
//! and connections.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A handle to the drain of the whole process. Clones share one drain.
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
    /// Creates a drain that has not begun. After the trigger, new connections are accepted for `delay` and running
    /// responses may finish for `total`. Both count from the trigger; a `delay` over `total` is reduced to `total`.
    pub fn new(delay: Duration, total: Duration) -> Self {
        let delay = delay.min(total);
        Self(Arc::new(Shared { delay, total, phase: watch::Sender::new(Phase::Serving) }))
    }

    /// Begins the drain. A second call stops the process at once.
    pub fn trigger(&self) {
        self.0.phase.send_modify(|phase| {
            *phase = match *phase {
                Phase::Serving => Phase::Draining { since: Instant::now() },
                Phase::Draining { .. } | Phase::Stopped => Phase::Stopped,
            };
        });
    }

    /// Returns true if the drain has begun. From then on `/readyz` answers 503.
    pub fn is_draining(&self) -> bool {
        !matches!(*self.0.phase.borrow(), Phase::Serving)
    }

    /// Returns true if a second trigger has ended the drain before its time.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(*self.0.phase.borrow(), Phase::Stopped)
    }

    /// Returns true if new requests should go to another node: the delay and half of the total time have passed. Until
    /// then they are served, because most responses end in time and a single node has no other to take over.
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

    /// Waits until no new connection may be accepted: until `delay` after the trigger.
    pub async fn closing(&self) {
        self.after(self.0.delay).await;
    }

    /// Waits until everything must stop: until `total` after the trigger, or the second trigger.
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
        // An error would mean that the sender was dropped, but `self` owns it.
        phases.wait_for(wanted).await.map_or(Phase::Stopped, |phase| *phase)
    }
}

/// Installs handlers for SIGTERM and SIGINT. The returned future triggers `drain` on each signal and must be spawned.
///
/// # Errors
///
/// The handlers cannot be installed. Needs a tokio runtime with IO.
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
                tracing::warn!(signal, "second signal; stopping at once");
            } else {
                let drain_seconds = drain.0.total.as_secs();
                tracing::info!(signal, drain_seconds, "draining; running responses may finish");
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
        assert!(!drain.is_stopped());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_late_after_half_of_the_total_but_not_within_the_delay() {
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
        assert!(drain.is_stopped());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_longer_than_the_total_is_reduced() {
        let drain = Drain::new(TOTAL, DELAY);
        let start = Instant::now();
        drain.trigger();
        drain.closing().await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[test]
    fn signals_trigger_it() {
        // In a child process: once handled, SIGTERM no longer ends the process, which would break stopping a test run
        // that hangs.
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
        assert!(drain.is_stopped());
    }
}
