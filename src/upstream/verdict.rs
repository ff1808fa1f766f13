//! What became of an upload, shared between who sends it on and who answers for it.
//!
//! The verdict is asked first when a request fails, hyper's own error second: hyper only knows that a body ended in an
//! error, not why.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::rewrite::Rejected;
use crate::server::UploadError;

/// Why an upload came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spoiled {
    /// It must not leave.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Not of the encoding that its head names.
    #[error("the body is not of the encoding that `Content-Encoding` names")]
    Garbled,
    /// Larger than allowed.
    #[error("the body is larger than {limit} bytes, the most that is allowed here")]
    TooLarge {
        /// `CALLSIGN_MAX_BODY_BYTES`.
        limit: u64,
    },
    /// The client stalls.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// A mistake of callsign's own, found before the request was complete.
    #[error("callsign could not rewrite this body; nothing was sent")]
    Miscounted,
    /// The client left.
    #[error("the client left before its upload was complete")]
    ClientGone,
}

impl From<UploadError> for Spoiled {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Gone => Self::ClientGone,
            UploadError::TooSlow => Self::TooSlow,
            UploadError::Garbled => Self::Garbled,
            UploadError::TooLarge { limit } => Self::TooLarge { limit },
        }
    }
}

/// The state of one streaming upload.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    verdict: OnceLock<Result<(), Spoiled>>,
    /// Milliseconds from `began` to the last time that the upstream asked for more.
    last: AtomicU64,
    cancelled: AtomicBool,
    waker: AtomicWaker,
}

impl Progress {
    /// An upload that begins now.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            verdict: OnceLock::new(),
            last: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Why the upload came to nothing, if it did.
    pub fn spoiled(&self) -> Option<Spoiled> {
        self.verdict.get().and_then(|verdict| verdict.clone().err())
    }

    /// Whether every byte has been handed to the upstream.
    pub fn is_complete(&self) -> bool {
        matches!(self.verdict.get(), Some(Ok(())))
    }

    /// Ends the upload where it is: its answer is there already, or nobody waits for one.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until the upstream has asked for nothing for `patience`.
    pub async fn stalled(&self, patience: Duration) {
        loop {
            let last = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed));
            if last.elapsed() >= patience {
                return;
            }
            tokio::time::sleep_until(last + patience).await;
        }
    }

    /// The first verdict stands.
    pub(super) fn decide(&self, verdict: Result<(), Spoiled>) {
        // An Err means that one has been given already, which is then the right one.
        let _first = self.verdict.set(verdict);
    }

    pub(super) fn asked(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.cancelled.load(Ordering::Acquire)
    }
}
