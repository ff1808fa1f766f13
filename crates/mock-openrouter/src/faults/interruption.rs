//! Steps of a response that delay or abort it.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Number of yields before a cut, so that hyper can flush: it drops unwritten bytes when the body fails.
const YIELDS_BEFORE_CUT: usize = 8;

/// The event in place of the next chunk.
#[derive(Clone, Debug)]
pub(crate) enum Interruption {
    /// Waits for one permit of `MockServer::release`.
    Gate(Arc<Semaphore>),
    /// Waits forever.
    Hang,
    /// Aborts the connection.
    Cut,
}

impl Interruption {
    /// Waits until the response may go on.
    ///
    /// # Errors
    /// The error that aborts the connection.
    pub(crate) async fn run(self) -> io::Result<()> {
        match self {
            Self::Gate(gate) => pass(&gate).await,
            Self::Hang => std::future::pending().await,
            Self::Cut => {
                for _ in 0..YIELDS_BEFORE_CUT {
                    tokio::task::yield_now().await;
                }
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the mock server"));
            }
        }
        Ok(())
    }
}

/// Waits for one permit and consumes it. On a closed semaphore it does not wait.
pub(super) async fn pass(gate: &Semaphore) {
    if let Ok(permit) = gate.acquire().await {
        permit.forget();
    }
}
