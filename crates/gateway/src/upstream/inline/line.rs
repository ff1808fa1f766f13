//! One connection to the upstream.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};

use super::origin::Origin;
use crate::upstream::guarded_stream::{Guard, GuardedStream};
use crate::upstream::request_body::RequestBody;

/// Maximum size of hyper's buffers in bytes, per connection and direction.
const BUFFER: usize = 32 * 1024;

/// A connection and the sender of its requests. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Line {
    /// `None` once it has ended.
    connection: Option<Connection<GuardedStream, RequestBody>>,
    sender: SendRequest<RequestBody>,
    guard: Guard,
    origin: Arc<Origin>,
}

/// A request that got no answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// No byte of the request was written.
    Unsent(Box<Request<RequestBody>>, hyper::Error),
    /// The request may have left.
    Failed(hyper::Error),
}

impl Line {
    pub(super) async fn new(stream: GuardedStream, origin: Arc<Origin>) -> Result<Self, hyper::Error> {
        let guard = stream.guard();
        // hyper keeps the head and the body in separate slices, so that it is not ready before the body is written.
        let (sender, connection) = Builder::new().max_buf_size(BUFFER).writev(true).handshake(stream).await?;
        Ok(Self { connection: Some(connection), sender, guard, origin })
    }

    /// Runs the connection as far as it goes without waiting. Returns false once it has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        match Pin::new(connection).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                if let Err(error) = result {
                    tracing::debug!(%error, "upstream connection ended");
                }
                self.connection = None;
                false
            }
        }
    }

    /// Returns true if the connection is between two requests and nothing has arrived. Wakes `cx` when that changes.
    pub(super) fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll(cx) && self.sender.is_ready()
    }

    /// Returns true if the connection can take a request to `origin`: it is idle, and the kernel has nothing for it
    /// either.
    pub(super) fn is_usable(&mut self, origin: &Origin) -> bool {
        if !self.origin.is_of(&origin.url) {
            return false;
        }
        self.guard.check();
        // The next poll of the connection registers the request's own task.
        self.is_idle(&mut noop())
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        self.guard.sending();
        let mut answer = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        // Runs the connection and looks for the head. The connection wakes this task, so the channel between need not.
        let mut step = |cx: &mut Context<'_>| {
            if connection.as_mut().is_none_or(|connection| Pin::new(connection).poll(cx).is_ready()) {
                // Ends the wait for the answer.
                *connection = None;
            }
            answer.as_mut().poll(&mut noop())
        };
        let mut is_first = true;
        // As in `InlineBody`, a poll that brings the head registers no waker. The first one cannot bring it.
        let result = std::future::poll_fn(|cx| {
            let was_first = std::mem::take(&mut is_first);
            if !was_first && let Poll::Ready(result) = step(&mut noop()) {
                return Poll::Ready(result);
            }
            step(cx)
        });
        result.await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request), error.into_error()),
            None => SendError::Failed(error.into_error()),
        })
    }
}

/// Returns a context that wakes nobody.
pub(super) fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
