//! The errors of video jobs (`docs/SPEC.md#videos`).

/// Jobs that a caller may have open at the same time. A job is open until its cost is known.
pub(crate) const MOST_OPEN_JOBS: u64 = 20;

/// The reason why a job is not created, or not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The ledger is off, so that nobody knows whose a job is.
    #[error(transparent)]
    NeedsLedger(#[from] NeedsLedgerError),
    /// The ledger does not answer.
    #[error("the ledger does not answer")]
    LedgerUnavailable,
    /// The job is another caller's, or unknown.
    #[error(
        "none of your video jobs has this id; use the `id` from the answer that created the job, with the same key and user"
    )]
    NotFound,
    /// `previous_job_id` is no id, or occurs twice.
    #[error(
        "`previous_job_id` must occur once, as the id of one of your video jobs: a text of letters, digits, `-` \
         and `_`; leave it out for a new video"
    )]
    UnusablePrevious,
    /// `previous_job_id` names another caller's job, or an unknown one.
    #[error(
        "`previous_job_id` must name one of your own video jobs, and none of them has that id; leave it out for a new video"
    )]
    NotYours,
    /// The caller has too many open jobs.
    #[error("you have {MOST_OPEN_JOBS} unfinished video jobs, and more are not accepted; wait until one is finished")]
    TooManyOpen,
    /// The `index` of a video is not a number.
    #[error("`index` must occur at most once and have only digits; leave it out for the first video")]
    Index,
}

/// Video jobs need the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", callsign_core::endpoint::RouteError::NeedsLedger)]
pub struct NeedsLedgerError;
