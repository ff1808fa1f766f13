//! The body of an answer, which runs the connection that it comes from.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use callsign_http1::Error;
use http_body::{Body, Frame, SizeHint};

use super::line::Line;
use super::sweep::Pool;
use crate::upstream::pool_key::PoolKey;

/// The body of an answer and its connection. Dropping it before its end closes the connection.
#[derive(Debug)]
pub(crate) struct InlineBody {
    /// `None` once the body was read to its end, or failed.
    line: Option<Box<Line>>,
    /// The pool to which the connection returns; `None` if it closes after this answer.
    back: Option<(Arc<Pool>, PoolKey)>,
}

impl InlineBody {
    pub(super) fn new(line: Box<Line>, back: Option<(Arc<Pool>, PoolKey)>) -> Self {
        let is_end = line.is_end_stream();
        let mut body = Self { line: Some(line), back };
        if is_end {
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
}

impl Body for InlineBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Some(line) = &mut this.line else { return Poll::Ready(None) };
        let frame = line.poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Err(_))) => this.line = None,
            Poll::Ready(_) if line.is_end_stream() => this.finish(),
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.line.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.line.as_ref().map_or_else(|| SizeHint::with_exact(0), |line| line.size_hint())
    }
}
