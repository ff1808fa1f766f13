//! The body of a request as the client sends it, with timeouts for a client that sends it slowly or not at all
//! (`docs/SPEC.md#client-timeouts`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::timeouts::{Activity, UploadTimeouts};

/// An error while reading a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadReadError {
    /// The client disconnected, reset the stream or broke the framing.
    #[error("the client disconnected before its upload was complete")]
    Gone,
    /// The client sent no byte, or too few bytes, for too long (408 `request_timeout`).
    #[error("the client uploads too slowly")]
    TooSlow,
    /// The body cannot be decoded with the coding named in its `Content-Encoding`.
    #[error("the body cannot be decoded as its `Content-Encoding` says")]
    InvalidContentEncoding,
    /// The compressed body is larger than the limit.
    #[error("the compressed body is larger than {limit} bytes")]
    TooLarge {
        /// Maximum size, in bytes.
        limit: u64,
    },
}

/// A request body, still in the client's coding. Trailers are dropped.
///
/// Only time spent waiting for the client counts: from a poll that finds no data to the next poll that finds data. A
/// reader that does not poll after a chunk (because the upstream is slow) stops the clock.
#[derive(Debug)]
pub(super) struct RawUpload {
    source: Source,
    polled: bool,
}

#[derive(Debug)]
enum Source {
    Buffered(Bytes),
    Client { body: Incoming, pace: Pace },
}

impl RawUpload {
    /// Wraps hyper's request body.
    pub(super) fn new(body: Incoming, timeouts: UploadTimeouts, activity: &Arc<Activity>) -> Self {
        if body.is_end_stream() {
            return Bytes::new().into();
        }
        let source = Source::Client { body, pace: Pace::new(timeouts, activity.clone()) };
        Self { source, polled: false }
    }

    /// Returns true if the body has been polled. hyper then has sent `100 Continue` to a client that waits for it.
    pub(super) fn is_polled(&self) -> bool {
        self.polled
    }
}

impl From<Bytes> for RawUpload {
    /// Creates a body from buffered bytes.
    fn from(bytes: Bytes) -> Self {
        Self { source: Source::Buffered(bytes), polled: false }
    }
}

impl Body for RawUpload {
    type Data = Bytes;
    type Error = UploadReadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadReadError>>> {
        let this = self.get_mut();
        this.polled = true;
        let (body, pace) = match &mut this.source {
            Source::Buffered(bytes) => {
                let bytes = std::mem::take(bytes);
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            Source::Client { body, pace } => (body, pace),
        };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                ready!(pace.poll_too_slow(cx));
                return Poll::Ready(Some(Err(UploadReadError::TooSlow)));
            };
            let data = match frame {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(UploadReadError::Gone))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            // Trailers and empty HTTP/2 frames do not count as progress.
            if data.is_empty() {
                continue;
            }
            pace.received(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Buffered(bytes) => bytes.is_empty(),
            Source::Client { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Buffered(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Client { body, .. } => body.size_hint(),
        }
    }
}

/// The timeouts of one upload.
#[derive(Debug)]
struct Pace {
    timeouts: UploadTimeouts,
    activity: Arc<Activity>,
    alarm: Option<Alarm>,
    waiting_since: Option<Instant>,
    /// Bytes received in the open window; 0 while no window is open. A window opens with a byte, not with silence.
    received_in_window: u64,
    /// Time spent waiting since the window opened, up to the last byte.
    waited: Duration,
}

impl Pace {
    fn new(timeouts: UploadTimeouts, activity: Arc<Activity>) -> Self {
        Self { timeouts, activity, alarm: None, waiting_since: None, received_in_window: 0, waited: Duration::ZERO }
    }

    /// Counts received bytes. A window that has run its full time is closed at the next wait.
    fn received(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take()
            && self.received_in_window > 0
        {
            self.waited += since.elapsed();
        }
        self.received_in_window += bytes as u64;
    }

    /// Called when there is nothing to read. Returns `Ready` if the client is too slow; otherwise wakes the task at the
    /// next deadline.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let silent = since + self.timeouts.idle;
        loop {
            let window = since + self.timeouts.window.saturating_sub(self.waited);
            let until = if self.received_in_window > 0 { silent.min(window) } else { silent };
            ready!(self.alarm.get_or_insert_with(|| self.activity.take_alarm()).poll_until(cx, until));
            if until == silent || !self.close_window() {
                return Poll::Ready(());
            }
        }
    }

    /// Closes the window. Returns true if it has received enough bytes.
    fn close_window(&mut self) -> bool {
        let enough =
            self.received_in_window >= self.timeouts.least_per_second.saturating_mul(self.timeouts.window.as_secs());
        self.received_in_window = 0;
        self.waited = Duration::ZERO;
        enough
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            self.activity.keep_alarm(alarm);
        }
    }
}
