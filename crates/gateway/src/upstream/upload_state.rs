//! The state of a streaming upload, shared by the request's body and the code that waits for the response.
//!
//! When a request fails, check this state before hyper's error: hyper knows that a body ended with an error, but not
//! why.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::job_error::JobError;
use crate::server::UploadReadError;
use callsign_core::rewrite::RewriteError;
use callsign_core::rewrite::outer::OuterMembers;
use callsign_store::limits::LimitsRefusedError;
use callsign_store::limits::models::ModelNotAllowedError;

/// A failed upload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The rewriter rejected the body.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// The body cannot be decoded with the coding named in its `Content-Encoding`.
    #[error(
        "the body must have the coding that `Content-Encoding` names, whole and alone; send it uncompressed, or compress it again"
    )]
    InvalidContentEncoding,
    /// The body is larger than the limit.
    #[error(
        "the body must have at most {limit} bytes; send a smaller one (the operator sets the limit in CALLSIGN_MAX_BODY_BYTES)"
    )]
    TooLarge {
        /// Maximum size in bytes (`CALLSIGN_MAX_BODY_BYTES`).
        limit: u64,
    },
    /// The client sent the body too slowly.
    #[error("the body must arrive without long pauses; try again over a faster connection, or send a smaller body")]
    TooSlow,
    /// The rewritten body does not have the announced length. A bug in callsign, found before the last byte was sent.
    #[error("callsign could not rewrite this body; OpenRouter did not get the whole request")]
    LengthMismatch,
    /// The request does not fit the caller's budgets.
    #[error(transparent)]
    Limits(#[from] LimitsRefusedError),
    /// The caller may not use the model.
    #[error(transparent)]
    Model(#[from] ModelNotAllowedError),
    /// The request would create a video job that the caller may not create.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The client disconnected.
    #[error("the client disconnected before its upload was complete")]
    ClientGone,
}

impl From<UploadReadError> for UploadError {
    fn from(error: UploadReadError) -> Self {
        match error {
            UploadReadError::Gone => Self::ClientGone,
            UploadReadError::TooSlow => Self::TooSlow,
            UploadReadError::InvalidContentEncoding => Self::InvalidContentEncoding,
            UploadReadError::TooLarge { limit } => Self::TooLarge { limit },
        }
    }
}

/// The state of one streaming upload.
#[derive(Debug)]
pub struct UploadState {
    began: Instant,
    result: OnceLock<Result<OuterMembers, UploadError>>,
    /// Milliseconds from `began` to the last poll of the body, which is the last time at which the upstream was ready
    /// for more.
    last: AtomicU64,
    cancelled: AtomicBool,
    waker: AtomicWaker,
}

impl UploadState {
    /// Creates the state of an upload that begins now.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            result: OnceLock::new(),
            last: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Returns the upload's error, if it has failed.
    pub fn error(&self) -> Option<UploadError> {
        self.result.get().and_then(|result| result.clone().err())
    }

    /// Returns true if the whole body has passed every check and may be sent to its end.
    pub fn is_complete(&self) -> bool {
        matches!(self.result.get(), Some(Ok(_)))
    }

    /// Returns the captured members of the body once the whole body has passed every check.
    pub fn outer(&self) -> Option<&OuterMembers> {
        self.result.get()?.as_ref().ok()
    }

    /// Cancels the upload: the response has ended, or the client no longer waits for it.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until the body has not been polled for `timeout`.
    pub async fn stalled(&self, timeout: Duration) {
        loop {
            let last = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed));
            if last.elapsed() >= timeout {
                return;
            }
            tokio::time::sleep_until(last + timeout).await;
        }
    }

    /// Sets the upload's result, with the captured members of a complete body. Only the first call has an effect.
    pub(super) fn finish(&self, result: Result<OuterMembers, UploadError>) {
        // An error means that a result is set already; it is the one to keep.
        let _first = self.result.set(result);
    }

    /// Records a poll of the body, for [`Self::stalled`].
    pub(super) fn record_poll(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Returns true if the upload is cancelled; otherwise wakes the task when it is.
    pub(super) fn is_cancelled(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.cancelled.load(Ordering::Acquire)
    }
}
