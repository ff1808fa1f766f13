//! The body of a request, with the time-outs of a client that sends it slowly or not at all.
//!
//! It passes chunks on as they come and looks into none, but for undoing a content coding where the handler asks for it.
//! The limit of its size is the handler's business.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::decoded::{Coding, Decoded};
use super::patience::{Activity, UploadPatience};

/// Why a body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The client left, reset the stream or broke the framing.
    #[error("the client broke off its upload")]
    Gone,
    /// No byte for too long, or too few of them (contract, section 5: 408 `request_timeout`).
    #[error("the client uploads too slowly")]
    TooSlow,
    /// It is not of the content coding that its head names.
    #[error("the body is not of the encoding that `Content-Encoding` names")]
    Garbled,
    /// More compressed bytes than allowed.
    #[error("the compressed body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is allowed.
        limit: u64,
    },
}

/// The body of a request as the handler gets it. Trailers are dropped.
///
/// Time counts only while somebody waits for the client: from a poll that found nothing to the next that finds
/// something. A reader that stops polling after it got a chunk (because the upstream is slow) stops the clock.
#[derive(Debug)]
pub struct Upload {
    source: Source,
    asked_for: bool,
}

#[derive(Debug)]
enum Source {
    Held(Bytes),
    Client { body: Incoming, pace: Pace },
    Decoded(Box<Decoded>),
}

impl Upload {
    /// No body.
    pub fn empty() -> Self {
        Bytes::new().into()
    }

    /// The body that hyper read the head of.
    pub(super) fn new(body: Incoming, patience: UploadPatience, activity: &Arc<Activity>) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        let source = Source::Client { body, pace: Pace::new(patience, activity.clone()) };
        Self { source, asked_for: false }
    }

    /// The same body decoded, if at most `limit` compressed bytes come. `slot` is given back when it is gone.
    #[must_use]
    pub fn decoded(self, coding: Coding, limit: u64, slot: OwnedSemaphorePermit) -> Self {
        let decoded = Decoded::new(self, coding, limit, slot);
        Self { source: Source::Decoded(Box::new(decoded)), asked_for: false }
    }

    /// What is left of the body as the client sends it.
    #[must_use]
    pub fn into_raw(self) -> Self {
        match self.source {
            Source::Decoded(decoded) => decoded.into_raw(),
            _ => self,
        }
    }

    /// Whether any of it has been asked for. A client that waits for `100 Continue` was told to go on by that.
    pub fn is_asked_for(&self) -> bool {
        self.asked_for
    }
}

impl From<Bytes> for Upload {
    /// A body that is there already.
    fn from(bytes: Bytes) -> Self {
        Self { source: Source::Held(bytes), asked_for: false }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        this.asked_for = true;
        let (body, pace) = match &mut this.source {
            Source::Held(bytes) => {
                let bytes = std::mem::take(bytes);
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            Source::Decoded(decoded) => {
                return decoded.poll_piece(cx).map(|next| next.map(|piece| piece.map(Frame::data)));
            }
            Source::Client { body, pace } => (body, pace),
        };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                ready!(pace.poll_too_slow(cx));
                return Poll::Ready(Some(Err(UploadError::TooSlow)));
            };
            let data = match frame {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(UploadError::Gone))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            // Trailers and empty HTTP/2 frames are no progress.
            if data.is_empty() {
                continue;
            }
            pace.received(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Held(bytes) => bytes.is_empty(),
            Source::Client { body, .. } => body.is_end_stream(),
            Source::Decoded(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Held(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Client { body, .. } => body.size_hint(),
            Source::Decoded(_) => SizeHint::default(),
        }
    }
}

/// The clock of one upload.
#[derive(Debug)]
struct Pace {
    patience: UploadPatience,
    activity: Arc<Activity>,
    alarm: Option<Alarm>,
    waiting_since: Option<Instant>,
    /// Bytes in the open window; 0 while none is open. A window opens with a byte, so silence is never counted in one.
    came: u64,
    /// Time waited since the window opened, up to the last byte.
    waited: Duration,
}

impl Pace {
    fn new(patience: UploadPatience, activity: Arc<Activity>) -> Self {
        Self { patience, activity, alarm: None, waiting_since: None, came: 0, waited: Duration::ZERO }
    }

    /// Counts bytes. A window that is full by now is closed at the next wait; there is none to complain about before.
    fn received(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take()
            && self.came > 0
        {
            self.waited += since.elapsed();
        }
        self.came += bytes as u64;
    }

    /// Called when there is nothing to read. Ready when the client is too slow; otherwise the task will be woken in time.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let silent = since + self.patience.idle;
        loop {
            let window = since + self.patience.window.saturating_sub(self.waited);
            let until = if self.came > 0 { silent.min(window) } else { silent };
            ready!(self.alarm.get_or_insert_with(|| self.activity.take_alarm()).poll_until(cx, until));
            if until == silent || !self.close_window() {
                return Poll::Ready(());
            }
        }
    }

    fn close_window(&mut self) -> bool {
        let enough = self.came >= self.patience.least_per_second.saturating_mul(self.patience.window.as_secs());
        self.came = 0;
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
