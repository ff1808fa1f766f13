//! The request body for the upstream: buffered whole, or streamed through the filter as it arrives.
//!
//! The last byte is sent only after the whole body has passed every check. So of an invalid upload the upstream sees an
//! incomplete request at most.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::upload_state::{UploadError, UploadState};
use crate::server::Upload;
use callsign_core::rewrite::{Output, Rewriter};
use callsign_store::archive::BodyRecorder;

/// A request's body for the upstream.
#[derive(Debug)]
pub enum Outgoing {
    /// No body: GET and HEAD.
    Empty,
    /// Buffered and checked before callsign dials the upstream.
    Held(Held),
    /// Rewritten while it is sent.
    Streaming(Box<Streaming>),
}

/// The upload is cancelled: the body ends with an error, so that it does not look complete.
#[derive(Debug, thiserror::Error)]
#[error("upload cancelled")]
pub struct UploadCancelledError;

impl Body for Outgoing {
    type Data = Bytes;
    type Error = UploadCancelledError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadCancelledError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Held(held) => Poll::Ready(held.pop().map(|piece| Ok(Frame::data(piece)))),
            Self::Streaming(streaming) => streaming.poll_piece(cx).map(|next| next.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Held(held) => held.length == 0,
            Self::Streaming(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Held(held) => SizeHint::with_exact(held.length),
            Self::Streaming(streaming) => streaming.left.map(SizeHint::with_exact).unwrap_or_default(),
        }
    }
}

/// A buffered body that has passed every check.
#[derive(Debug)]
pub struct Held {
    pieces: VecDeque<Bytes>,
    length: u64,
    /// The body's part of `buffer_total_bytes`, released on drop.
    _share: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Takes the filter's whole output. `share` is the body's part of `buffer_total_bytes`.
    pub fn new(out: Output, share: Option<OwnedSemaphorePermit>) -> Self {
        let pieces: VecDeque<Bytes> = out.into_pieces().collect();
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, length, _share: share }
    }

    /// Returns the body's pieces in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.length -= piece.len() as u64;
        Some(piece)
    }
}

/// A body that is rewritten while it is sent.
#[derive(Debug)]
pub struct Streaming {
    /// The client's body. On drop it is returned through `give_back`.
    upload: Option<Upload>,
    give_back: Option<oneshot::Sender<Upload>>,
    rewriter: Rewriter,
    out: Output,
    received: u64,
    announced: Option<u64>,
    limit: u64,
    /// Bytes of the announced outgoing length that are still to be sent.
    left: Option<u64>,
    progress: Arc<UploadState>,
    /// GenerationClient the sent bytes for the archive.
    recorder: Option<BodyRecorder>,
    ended: bool,
}

/// The start state of a [`Streaming`] body.
#[derive(Debug)]
pub struct Begun {
    /// The client's body, possibly read in part.
    pub upload: Upload,
    /// The rewriter, which has processed the bytes read so far.
    pub rewriter: Rewriter,
    /// The rewriter's output so far.
    pub out: Output,
    /// Bytes read so far.
    pub received: u64,
    /// The client's `Content-Length`, if there is one.
    pub announced: Option<u64>,
    /// Maximum size in bytes (`CALLSIGN_MAX_BODY_BYTES`).
    pub limit: u64,
}

impl Streaming {
    /// Continues from `begun`. The receiver gets the rest of the upload when this body is dropped.
    pub fn new(
        begun: Begun,
        progress: Arc<UploadState>,
        recorder: Option<BodyRecorder>,
    ) -> (Self, oneshot::Receiver<Upload>) {
        let (give_back, returned) = oneshot::channel();
        let left = begun.announced.and_then(|length| begun.rewriter.outgoing_length(length));
        let streaming = Self {
            upload: Some(begun.upload),
            give_back: Some(give_back),
            rewriter: begun.rewriter,
            out: begun.out,
            received: begun.received,
            announced: begun.announced,
            limit: begun.limit,
            left,
            progress,
            recorder,
            ended: false,
        };
        (streaming, returned)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadCancelledError>>> {
        self.progress.record_poll();
        if self.progress.spoiled().is_some() || self.progress.is_cancelled(cx.waker()) {
            return Poll::Ready(Some(Err(UploadCancelledError)));
        }
        loop {
            if let Some(piece) = self.out.pop() {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                if let Some(recorder) = &self.recorder {
                    recorder.push(&piece);
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(self.poll_upload(cx)) {
                self.progress.finish(Err(error));
                return Poll::Ready(Some(Err(UploadCancelledError)));
            }
        }
    }

    /// Reads and rewrites the next piece. Puts only bytes that may be sent into `out`.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        let Some(upload) = &mut self.upload else { return Poll::Ready(Err(UploadError::ClientGone)) };
        match ready!(Pin::new(upload).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                self.received += piece.len() as u64;
                if self.received > self.limit {
                    return Poll::Ready(Err(UploadError::TooLarge { limit: self.limit }));
                }
                self.rewriter.feed(&piece, &mut self.out)?;
                // If nothing is appended, the last byte read is the last byte sent, so the end is checked before it is.
                if self.announced == Some(self.received) {
                    self.end()?;
                }
            }
            Some(Err(error)) => return Poll::Ready(Err(error.into())),
            None => self.end()?,
        }
        Poll::Ready(Ok(()))
    }

    /// Checks the end of the body.
    fn end(&mut self) -> Result<(), UploadError> {
        if !self.ended {
            self.rewriter.finish()?;
            if self.announced.is_some() && !self.rewriter.length_matches(&self.out) {
                tracing::error!("bug: rewritten body does not have the announced length; request cancelled");
                return Err(UploadError::LengthMismatch);
            }
            self.ended = true;
            self.progress.finish(Ok(()));
        }
        Ok(())
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if let (Some(upload), Some(give_back)) = (self.upload.take(), self.give_back.take()) {
            // Fails if the receiver was dropped because the client disconnected.
            let _unwanted = give_back.send(upload);
        }
    }
}
