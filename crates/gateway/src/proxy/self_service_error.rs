//! The errors of callers' questions about themselves.

use callsign_store::ledger::LedgerError;
use callsign_store::limits::StoreUnavailableError;

use crate::job_error::JobError;

/// The caller has no generation with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of your generations has this id; send it as ?id=gen-…")]
pub struct GenerationNotFoundError;

/// The reason why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub enum SelfServiceError {
    /// The generation is not the caller's.
    #[error(transparent)]
    GenerationNotFound(#[from] GenerationNotFoundError),
    /// The video job is not the caller's.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store of limits does not answer.
    #[error(transparent)]
    Limits(#[from] StoreUnavailableError),
}
