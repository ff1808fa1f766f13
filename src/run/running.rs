//! A running callsign, and the options and errors of its start.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::in_force::InForce;
use crate::config::Config;
use callsign_gateway::proxy::snapshot::SnapshotError;
use callsign_gateway::server::{BindError, Drain, Timeouts, Tls, TlsError};
use callsign_gateway::upstream::RootsError;
use callsign_store::archive::{Archive, ArchiveError};
use callsign_store::ledger::{Ledger, LedgerError};
use callsign_store::limits::{Limiter, LimitsError};
use callsign_store::state::DirectoryLock;

/// The type of [`super::start`]. Self-tests get it as an argument, because the start itself hands the self-test to the
/// console.
pub(crate) type Start = fn(&Config, ServeOptions) -> Result<Running, StartError>;

/// A running callsign. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running {
    /// Address of the data port.
    pub data: SocketAddr,
    /// Address of the admin port, unless it is off.
    pub admin: Option<SocketAddr>,
    /// The data port's certificate, if it uses TLS.
    pub tls: Option<Tls>,
    /// Replaces the configuration in force.
    pub in_force: InForce,
    /// Starts and speeds up the shutdown.
    pub drain: Drain,
    /// Closed after the last request.
    pub(super) ledger: Ledger,
    /// Closed after the last request.
    pub(super) archive: Archive,
    /// Closed after the ledger and the archive.
    pub(super) limiter: Limiter,
    /// Stops the reconciliation, the list prices and the rebuilding of budgets.
    pub(super) tasks: Vec<AbortHandle>,
    /// The lock on the data directory.
    pub(super) _lock: Option<DirectoryLock>,
    /// Closed when the last port has ended.
    pub(super) ports: mpsc::Receiver<()>,
}

/// Options that the demo, `check` and the tests change.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Timeouts of client connections.
    pub timeouts: Timeouts,
    /// True if `HTTPS_PROXY` and related variables apply to the connections upstream.
    pub proxy_from_env: bool,
    /// Number of threads of the data port. Each has its own listener, runtime and connections upstream.
    pub workers: usize,
    /// True if OpenRouter is asked for the ids of the operator's accounts.
    pub finds_accounts: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { timeouts: Timeouts::default(), proxy_from_env: true, workers, finds_accounts: true }
    }
}

/// An error of the start with a valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is in use or needs privileges.
    #[error("{error} ({variable}); choose another address, or end the program that uses it")]
    Bind {
        /// The setting of the address.
        variable: &'static str,
        /// The address and the reason.
        error: BindError,
    },
    /// A listener or a thread could not be created.
    #[error("a listening socket or a thread could not be created: {0}")]
    Listen(#[from] std::io::Error),
    /// The certificate or the key is invalid.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The root certificates could not be loaded.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The settings of the upstream are invalid.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Another process uses the data directory.
    #[error("data directory in use: {} (CALLSIGN_DATA_DIR); one callsign uses a data directory", .0.display())]
    DirectoryInUse(PathBuf),
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory {} (CALLSIGN_DATA_DIR): {error}; choose one that this user can write, or run \
         callsign as its owner",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// The ledger could not be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archive could not be opened.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The limits could not be started.
    #[error(transparent)]
    Limits(#[from] LimitsError),
}

impl StartError {
    /// Returns true if a setting names a directory that cannot be used.
    pub(crate) fn is_of_directory(&self) -> bool {
        matches!(
            self,
            Self::Directory { .. }
                | Self::Ledger(LedgerError::Directory(_))
                | Self::Archive(ArchiveError::Directory(_))
        )
    }

    /// Returns the error of an address that cannot be listened on.
    pub(crate) fn bind(variable: &'static str) -> impl FnOnce(BindError) -> Self {
        move |error| Self::Bind { variable, error }
    }
}

impl Running {
    /// Waits until a drain is over and every connection has ended.
    pub async fn ended(mut self) {
        while self.ports.recv().await.is_some() {}
        self.stop_tasks();
        tokio::join!(self.ledger.close(), self.archive.close());
        self.limiter.close().await;
    }

    fn stop_tasks(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop_tasks();
        // The first call starts the drain, the second ends it at once.
        self.drain.trigger();
        self.drain.trigger();
    }
}
