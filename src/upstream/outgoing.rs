//! The body that goes upstream: held whole, or streamed through the filter as it comes in.
//!
//! Whatever is wrong with an upload, an incomplete request is all that the upstream can have seen of it: the last byte is
//! only let go when the whole body has been found good.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::verdict::{Progress, Spoiled};
use crate::archive::Tape;
use crate::rewrite::{Output, Rewriter};
use crate::server::Upload;

/// A request's body.
#[derive(Debug)]
pub enum Outgoing {
    /// GET and HEAD.
    Empty,
    /// Checked whole before the upstream is dialled.
    Held(Held),
    /// Rewritten on its way.
    Streaming(Box<Streaming>),
}

/// The stream ends here and must not look complete.
#[derive(Debug, thiserror::Error)]
#[error("the upload was given up")]
pub struct GivenUp;

impl Body for Outgoing {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
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

/// A whole, good body.
#[derive(Debug)]
pub struct Held {
    pieces: VecDeque<Bytes>,
    length: u64,
    /// The body's share of the budget for held bodies; given back when the body is gone.
    _share: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Everything that the filter let out.
    pub fn new(out: Output, share: Option<OwnedSemaphorePermit>) -> Self {
        let pieces: VecDeque<Bytes> = out.into_pieces().collect();
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, length, _share: share }
    }

    /// Its bytes, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.length -= piece.len() as u64;
        Some(piece)
    }
}

/// A body on its way through the filter.
#[derive(Debug)]
pub struct Streaming {
    /// Taken when this is dropped, and given back to who answers the client.
    upload: Option<Upload>,
    give_back: Option<oneshot::Sender<Upload>>,
    rewriter: Rewriter,
    out: Output,
    received: u64,
    announced: Option<u64>,
    limit: u64,
    /// What is left of the announced outgoing length.
    left: Option<u64>,
    progress: Arc<Progress>,
    /// Records what leaves, where that is archived.
    tape: Option<Tape>,
    ended: bool,
}

/// What a [`Streaming`] body begins with.
#[derive(Debug)]
pub struct Begun {
    /// The client's body, perhaps read in part.
    pub upload: Upload,
    /// What has been fed what was read.
    pub rewriter: Rewriter,
    /// What it let out.
    pub out: Output,
    /// Bytes read so far.
    pub received: u64,
    /// The incoming length, if the client announced one.
    pub announced: Option<u64>,
    /// `CALLSIGN_MAX_BODY_BYTES`.
    pub limit: u64,
}

impl Streaming {
    /// Goes on with what was begun. The receiver gets the rest of the upload back when the request is over.
    pub fn new(begun: Begun, progress: Arc<Progress>, tape: Option<Tape>) -> (Self, oneshot::Receiver<Upload>) {
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
            tape,
            ended: false,
        };
        (streaming, returned)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, GivenUp>>> {
        self.progress.asked();
        if self.progress.spoiled().is_some() || self.progress.is_cancelled(cx.waker()) {
            return Poll::Ready(Some(Err(GivenUp)));
        }
        loop {
            if let Some(piece) = self.out.pop() {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                if let Some(tape) = &self.tape {
                    tape.push(&piece);
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if let Err(spoiled) = ready!(self.poll_upload(cx)) {
                self.progress.decide(Err(spoiled));
                return Poll::Ready(Some(Err(GivenUp)));
            }
        }
    }

    /// Reads on; puts into `out` only what may leave.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Spoiled>> {
        let Some(upload) = &mut self.upload else { return Poll::Ready(Err(Spoiled::ClientGone)) };
        match ready!(Pin::new(upload).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                self.received += piece.len() as u64;
                if self.received > self.limit {
                    return Poll::Ready(Err(Spoiled::TooLarge { limit: self.limit }));
                }
                self.rewriter.feed(&piece, &mut self.out)?;
                // Where nothing is appended, the last byte in is the last byte out: look before letting it go.
                if self.announced == Some(self.received) {
                    self.end()?;
                }
            }
            Some(Err(error)) => return Poll::Ready(Err(error.into())),
            None => self.end()?,
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self) -> Result<(), Spoiled> {
        if !self.ended {
            self.rewriter.finish()?;
            if self.announced.is_some() && !self.rewriter.kept_its_word(&self.out) {
                tracing::error!("a rewritten body is not as long as announced; its request is given up");
                return Err(Spoiled::Miscounted);
            }
            self.ended = true;
            self.progress.decide(Ok(()));
        }
        Ok(())
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if let (Some(upload), Some(give_back)) = (self.upload.take(), self.give_back.take()) {
            // Nobody waiting means that the client is gone.
            let _unwanted = give_back.send(upload);
        }
    }
}
