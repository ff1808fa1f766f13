//! Serves a port in a thread of its own.

use std::sync::Arc;

use callsign_gateway::server::{self, Drain, Handler, Options};
use callsign_telemetry::metrics::Metrics;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::running::StartError;

/// The nice value of [`Priority::Background`]. At 10 a thread gets a tenth of a processor that another wants, and yields
/// at once to a thread that wakes up.
const BACKGROUND: i32 = 10;

/// The share of the processor that a thread gets if others want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// As the process.
    Normal,
    /// Below the process, so that requests go before pages and their queries.
    Background,
}

/// A listener, and what it is served with.
pub(super) struct Port {
    pub(super) listener: std::net::TcpListener,
    pub(super) options: Arc<Options>,
    pub(super) drain: Drain,
    /// Dropped when the port is closed.
    pub(super) alive: mpsc::Sender<()>,
}

impl Port {
    /// Serves the listener in a new thread with a single-threaded runtime. At equal CPU time per request this carries
    /// more requests than one shared runtime, whose threads wake each other.
    pub(super) fn serve_in_thread<H: Handler>(
        self,
        name: String,
        priority: Priority,
        handler: H,
        metrics: &Metrics,
    ) -> Result<(), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        metrics.add_runtime(runtime.handle().clone());
        std::thread::Builder::new().name(name).spawn(move || {
            if priority == Priority::Background && cfg!(target_os = "linux") {
                step_back();
            }
            runtime.block_on(async move {
                match TcpListener::from_std(self.listener) {
                    Ok(listener) => server::serve(listener, handler, self.options, self.drain).await,
                    Err(error) => tracing::error!(%error, "a listening socket cannot be used"),
                }
            });
            // Requests that are read on without a client end here, before the ledger is closed.
            drop(runtime);
            drop(self.alive);
        })?;
        Ok(())
    }
}

/// Lowers the priority of this thread and of those that it starts, such as connections to SQLite. Linux has a nice value
/// for each thread (setpriority(2)).
fn step_back() {
    let result = rustix::process::getpriority_process(None)
        .and_then(|now| rustix::process::setpriority_process(None, now.saturating_add(BACKGROUND)));
    if let Err(error) = result {
        tracing::debug!(%error, "the admin port keeps the priority of the data port");
    }
}
