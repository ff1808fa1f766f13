//! One connection to the upstream.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use callsign_http1::{Connection, Error, Reason};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;

use super::origin::Origin;
use crate::upstream::guarded_stream::GuardedStream;
use crate::upstream::request_body::RequestBody;

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Line {
    connection: Connection<TokioIo<GuardedStream>, RequestBody>,
    origin: Arc<Origin>,
}

impl Line {
    pub(super) fn new(stream: GuardedStream, origin: Arc<Origin>) -> Self {
        Self { connection: Connection::new(TokioIo::new(stream)), origin }
    }

    /// Returns true if the connection is between two requests and nothing has arrived. Wakes `cx` when that changes.
    pub(super) fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        self.connection.is_idle(cx)
    }

    /// Returns true if the connection can take a request to `origin`: it is idle, and the kernel has nothing for it
    /// either.
    pub(super) fn is_usable(&mut self, origin: &Origin) -> bool {
        // The next poll of the connection registers the request's own task.
        self.origin.is_of(&origin.url)
            && self.connection.is_idle(&mut noop())
            && self.connection.stream().inner().is_silent()
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(&mut self, request: Box<Request<RequestBody>>) -> Result<Response<()>, Error> {
        self.connection.start(*request);
        let mut answer = std::future::poll_fn(|cx| self.connection.poll_head(cx)).await?;
        // hyper's server writes this extension.
        if let Some(Reason(reason)) = answer.extensions_mut().remove()
            && let Ok(reason) = ReasonPhrase::try_from(reason)
        {
            answer.extensions_mut().insert(reason);
        }
        Ok(answer)
    }

    /// Returns the next frame of the answer's body.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.connection.poll_frame(cx)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.connection.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.connection.size_hint()
    }
}

/// Returns a context that wakes nobody.
pub(super) fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
