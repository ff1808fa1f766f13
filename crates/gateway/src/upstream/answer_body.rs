//! The body of OpenRouter's answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::inline::InlineBody;
use super::lanes::Place;

/// The body of OpenRouter's answer. Dropping it before its end closes its HTTP/1.1 connection or resets its stream.
#[derive(Debug)]
pub struct AnswerBody(Source);

#[derive(Debug)]
enum Source {
    /// A task of hyper-util's pool runs the connection. The request has a place in a pool.
    Hyper(Incoming, #[expect(dead_code, reason = "held until the body is dropped")] Option<Place>),
    /// The body runs its connection.
    Inline(InlineBody),
}

/// The answer was cut.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum AnswerError {
    /// In hyper-util's pool.
    Hyper(hyper::Error),
    /// In the inline pool.
    Inline(callsign_http1::Error),
}

impl AnswerBody {
    pub(super) fn hyper(body: Incoming, place: Option<Place>) -> Self {
        Self(Source::Hyper(body, place))
    }

    pub(super) fn inline(body: InlineBody) -> Self {
        Self(Source::Inline(body))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match &mut self.get_mut().0 {
            Source::Hyper(body, _) => Pin::new(body).poll_frame(cx).map_err(AnswerError::Hyper),
            Source::Inline(body) => Pin::new(body).poll_frame(cx).map_err(AnswerError::Inline),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Hyper(body, _) => body.is_end_stream(),
            Source::Inline(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Hyper(body, _) => body.size_hint(),
            Source::Inline(body) => body.size_hint(),
        }
    }
}
