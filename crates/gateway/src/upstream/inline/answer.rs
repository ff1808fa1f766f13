//! The body of an answer, which runs the connection that it comes from.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::line::{Line, noop};
use super::sweep::Pool;
use crate::upstream::pool_key::PoolKey;

/// The body of an answer and its connection. Dropping it before its end closes the connection.
#[derive(Debug)]
pub(crate) struct InlineBody {
    incoming: Incoming,
    /// `None` once the body was read to its end.
    line: Option<Box<Line>>,
    /// The pool to which the connection returns; `None` if it closes after this answer.
    back: Option<(Arc<Pool>, PoolKey)>,
}

impl InlineBody {
    pub(super) fn new(incoming: Incoming, line: Box<Line>, back: Option<(Arc<Pool>, PoolKey)>) -> Self {
        let mut body = Self { incoming, line: Some(line), back };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Gives the connection back after the last byte of the body. Only this function does.
    fn finish(&mut self) {
        if let (Some(line), Some((pool, account))) = (self.line.take(), self.back.take()) {
            pool.put(&account, line);
        }
    }

    /// Runs the connection and takes what it has read.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(line) = &mut self.line {
            line.poll(cx);
        }
        self.take()
    }

    /// Takes the next frame that hyper has read. Its channel wakes nobody, since this task runs the connection too.
    fn take(&mut self) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(&mut noop());
        match &frame {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && !self.incoming.is_end_stream() => {}
            Poll::Ready(Some(Err(_))) => self.line = None,
            // The last byte, trailers, or the end.
            Poll::Ready(Some(Ok(_)) | None) => self.finish(),
        }
        frame
    }
}

impl Body for InlineBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        // A poll that brings a frame registers no waker: hyper's channel would wake this task when the frame is taken.
        if let Poll::Ready(frame) = this.take() {
            return Poll::Ready(frame);
        }
        if let Poll::Ready(frame) = this.step(&mut noop()) {
            return Poll::Ready(frame);
        }
        this.step(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
