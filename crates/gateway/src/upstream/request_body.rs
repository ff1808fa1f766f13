//! The body that goes upstream: the client's upload, rewritten as it is read.
//!
//! Small bodies are buffered and checked before the upstream is dialled; larger ones leave while they are still being
//! read. Both go through the same loop. The last byte leaves only after the whole body was found valid, so the upstream
//! never receives a complete request that callsign refuses.

mod body_check;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use callsign_core::fair_pool::FairShare;
use callsign_core::rewrite::outer::OuterMembers;
use callsign_core::rewrite::{Filter, Output, Rewriter};
use callsign_store::archive::BodyRecorder;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::upload_state::{UploadError, UploadState};
use crate::server::Upload;
pub use body_check::BodyCheck;

/// hyper drops the body of a failed request a moment after it reports the failure. Waiting longer would not help.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request to the upstream.
#[derive(Debug)]
pub struct RequestBody(Option<Box<Inner>>);

#[derive(Debug)]
struct Inner {
    /// The client's body; `None` once a buffered body is complete.
    upload: Option<Upload>,
    rewriter: Rewriter,
    /// Rewritten bytes that have not left yet.
    out: Output,
    /// Bytes read from the client.
    received: u64,
    /// The client's `Content-Length`.
    announced: Option<u64>,
    /// `CALLSIGN_MAX_BODY_BYTES`.
    max: u64,
    /// Outgoing bytes that have not left yet, if the outgoing length is known.
    left: Option<u64>,
    /// True once the whole body was read and found valid.
    valid: bool,
    /// Decides about a valid body.
    check: BodyCheck,
    /// True once a valid body was also checked.
    complete: bool,
    /// Set while the body leaves before it is complete.
    streaming: Option<Streaming>,
    /// Records the outgoing bytes of an archived request.
    recorder: Option<BodyRecorder>,
    /// The body's share of the memory for buffered bodies.
    memory: Option<FairShare>,
}

#[derive(Debug)]
struct Streaming {
    state: Arc<UploadState>,
    give_back: oneshot::Sender<Upload>,
}

/// The body ends early and must not look complete.
#[derive(Debug, thiserror::Error)]
#[error("the upload was cancelled")]
pub struct UploadCancelledError;

/// The proxy's handle on a body that leaves while it is being read.
#[derive(Debug)]
pub struct UploadHandle {
    /// The progress of the upload.
    pub state: Arc<UploadState>,
    returned: oneshot::Receiver<Upload>,
}

impl UploadHandle {
    /// Returns the unread rest of the upload after its request failed; `None` if the client is gone.
    pub async fn recover(self) -> Option<Upload> {
        tokio::time::timeout(RECOVERY_TIMEOUT, self.returned).await.ok()?.ok()
    }
}

impl RequestBody {
    /// Returns the body of a GET or HEAD request.
    pub fn empty() -> Self {
        Self(None)
    }

    /// Returns a body that reads `upload` through `rewriter`, up to `max` bytes. Its last byte leaves after `check`.
    pub fn new(upload: Upload, rewriter: Rewriter, max: u64, check: BodyCheck, recorder: Option<BodyRecorder>) -> Self {
        let announced = upload.size_hint().exact();
        Self(Some(Box::new(Inner {
            upload: Some(upload),
            left: announced.and_then(|length| rewriter.outgoing_length(length)),
            rewriter,
            out: Output::default(),
            received: 0,
            announced,
            max,
            valid: false,
            check,
            complete: false,
            streaming: None,
            recorder,
            memory: None,
        })))
    }

    /// Reads the body until it is complete or more than `up_to` bytes long. Reads nothing if the body is known to be
    /// longer or `memory`, the caller's share of the memory for buffered bodies, has no room for it.
    ///
    /// # Errors
    /// [`UploadError`] if the body must not be sent. [`RequestBody::into_upload`] then returns the unread rest.
    pub async fn buffer(&mut self, up_to: u64, mut memory: FairShare) -> Result<(), UploadError> {
        let Some(inner) = &mut self.0 else { return Ok(()) };
        if inner.announced.is_some_and(|length| length > inner.max) {
            return Err(UploadError::TooLarge { limit: inner.max });
        }
        let bytes = inner.announced.unwrap_or(up_to);
        if bytes > up_to || memory.grow(bytes).is_err() {
            return Ok(());
        }
        while !inner.complete && inner.received <= up_to {
            std::future::poll_fn(|cx| inner.poll_read(cx)).await?;
        }
        if inner.complete {
            inner.seal(memory);
        }
        Ok(())
    }

    /// Returns a handle on the upload if the body is not complete yet. It is then read while it leaves.
    pub fn stream(&mut self) -> Option<UploadHandle> {
        let inner = self.0.as_mut().filter(|inner| !inner.complete)?;
        let (give_back, returned) = oneshot::channel();
        let state = Arc::new(UploadState::begin());
        inner.streaming = Some(Streaming { state: Arc::clone(&state), give_back });
        Some(UploadHandle { state, returned })
    }

    /// Returns the outgoing pieces and the filter of a complete JSON body that has not left yet.
    pub fn complete_json(&mut self) -> Option<(impl Iterator<Item = &Bytes>, &Filter)> {
        let inner = self.0.as_mut().filter(|inner| inner.complete)?;
        let Rewriter::Json(filter) = &inner.rewriter else { return None };
        Some((inner.out.pieces(), filter))
    }

    /// Returns the captured members of a complete body. Those of a streaming body are in [`UploadState::outer`] at its
    /// end.
    pub fn outer(&self) -> Option<&OuterMembers> {
        self.0.as_ref().filter(|inner| inner.complete).map(|inner| inner.rewriter.outer())
    }

    /// Returns the unread rest of the upload.
    pub fn into_upload(mut self) -> Option<Upload> {
        self.0.as_mut()?.upload.take()
    }
}

impl Inner {
    /// Reads the next piece from the client and adds to `out` only what may leave.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        if self.valid {
            return self.poll_check(cx);
        }
        let Some(upload) = &mut self.upload else { return Poll::Ready(Err(UploadError::ClientGone)) };
        match ready!(Pin::new(upload).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                self.received += piece.len() as u64;
                if self.received > self.max {
                    return Poll::Ready(Err(UploadError::TooLarge { limit: self.max }));
                }
                self.rewriter.feed(&piece, &mut self.out)?;
                // If nothing is appended, the last byte in is the last byte out: check the body before it leaves.
                if self.announced == Some(self.received) {
                    self.finish()?;
                }
            }
            Some(Err(error)) => return Poll::Ready(Err(error.into())),
            None => self.finish()?,
        }
        if self.valid { self.poll_check(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Polls the check of a valid body.
    fn poll_check(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        ready!(self.check.poll(&self.rewriter, cx))?;
        self.complete = true;
        Poll::Ready(Ok(()))
    }

    /// Validates the whole body at its end.
    fn finish(&mut self) -> Result<(), UploadError> {
        self.rewriter.finish()?;
        if !self.rewriter.length_matches(&self.out) {
            tracing::error!("a rewritten body is not as long as announced; its request is cancelled");
            return Err(UploadError::LengthMismatch);
        }
        self.valid = true;
        Ok(())
    }

    /// Records a complete body that has not left yet, and keeps its share of the memory.
    fn seal(&mut self, memory: FairShare) {
        self.left = Some(self.out.pieces().map(|piece| piece.len() as u64).sum());
        if let Some(recorder) = self.recorder.take() {
            self.out.pieces().for_each(|piece| recorder.push(piece));
        }
        self.upload = None;
        self.memory = Some(memory);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadCancelledError>>> {
        if let Some(Streaming { state, .. }) = &self.streaming {
            state.record_poll();
            if state.error().is_some() || state.is_cancelled(cx.waker()) {
                return Poll::Ready(Some(Err(UploadCancelledError)));
            }
        }
        loop {
            // The last bytes wait for the check.
            let waits = self.valid && !self.complete;
            if let Some(piece) = (!waits).then(|| self.out.pop()).flatten() {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                if let Some(recorder) = &self.recorder {
                    recorder.push(&piece);
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.complete {
                return Poll::Ready(None);
            }
            let read = ready!(self.poll_read(cx));
            if read.is_err() || self.complete {
                let failed = read.is_err();
                if let Some(Streaming { state, .. }) = &self.streaming {
                    state.finish(read.map(|()| self.rewriter.outer().clone()));
                }
                if failed {
                    return Poll::Ready(Some(Err(UploadCancelledError)));
                }
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadCancelledError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadCancelledError>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(inner) => inner.poll_piece(cx).map(|next| next.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.complete && inner.out.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(inner) => inner.left.map(SizeHint::with_exact).unwrap_or_default(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let (Some(upload), Some(Streaming { give_back, .. })) = (self.upload.take(), self.streaming.take()) {
            // An error means that the client is gone and does not wait for the rest.
            let _unwanted = give_back.send(upload);
        }
    }
}

#[cfg(test)]
mod tests;
