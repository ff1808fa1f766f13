//! The interface to the reconciliation of costs. The program implements it; the console only asks and shows.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::LedgerError;

/// The counts of a reconciliation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Requests whose cost was added.
    pub added: u64,
    /// The costs together.
    pub cost: NanoUsd,
    /// Requests that will never have a cost.
    pub never: u64,
    /// Requests of which OpenRouter has no record yet.
    pub not_there: u64,
    /// Requests of accounts whose keys are not configured.
    pub no_key: u64,
    /// Requests whose look-up failed.
    pub failed: u64,
    /// Requests that were not looked up, because the time was over.
    pub left: u64,
}

/// A reason why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Another one is running.
    #[error("costs are being fetched already; try again in a moment")]
    Busy,
    /// No client can be created.
    #[error("{0}")]
    Client(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The future result of a reconciliation.
pub type Pending = Pin<Box<dyn Future<Output = Result<Reconciled, ReconcileError>> + Send>>;

/// Looks up pending costs at OpenRouter, for some seconds at most.
#[derive(Clone)]
pub struct Reconcile(pub Arc<dyn Fn() -> Pending + Send + Sync>);

impl fmt::Debug for Reconcile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reconcile")
    }
}
