//! Relays OpenRouter's response to the client byte for byte, frame by frame, as it arrives (`docs/SPEC.md#responses`).
//!
//! This module must not parse, join or buffer frames. It handles the end of a response: a stream that breaks breaks for
//! the client too, after every byte before; a silent stream is cut; and a client that disconnects drops the body, which
//! cancels the upstream request, unless [`ReadOn`] takes the rest of it over. Each response is recorded once, by
//! [`RequestRecord::finish`].

mod awaited_head;
mod read_on;
mod redact;
mod whole;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::time::{Instant, Sleep};

use crate::catalogue::ListCopy;
use crate::record::RequestRecord;
use crate::upstream::AnswerBody;
use crate::upstream::upload_state::UploadState;
pub use awaited_head::AwaitedHead;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::Committed;
pub use read_on::ReadOn;
use read_on::Rest;
pub use redact::{may_name_account, redact_account};
pub use whole::WholeBody;

/// The body of an answer.
#[derive(Debug)]
pub enum Answer {
    /// callsign's own answer, or a response of OpenRouter that was changed as a whole.
    Own {
        /// The answer's bytes.
        body: Full<Bytes>,
        /// The request's record, finished when the body is dropped.
        record: Box<RequestRecord>,
    },
    /// A page without a record.
    Page(Full<Bytes>),
    /// An empty body without a record.
    Empty,
    /// OpenRouter's response, relayed as it arrives.
    Relayed(Attended),
}

/// A response that ends early. The text is not shown to the client: hyper aborts the connection.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The upstream connection broke.
    #[error("the upstream connection broke within the response")]
    Upstream,
    /// The upstream sent nothing for the idle timeout.
    #[error("the upstream sent nothing for the idle timeout (upstream.idle_timeout_seconds)")]
    Silent,
    /// The operator blocked the caller.
    #[error("the operator blocked this caller")]
    Blocked,
}

impl Answer {
    /// Creates an answer of callsign, or one of OpenRouter that was changed as a whole. In strict mode it waits for the
    /// ledger's row.
    pub async fn own(answer: Response<Bytes>, mut record: Box<RequestRecord>) -> Response<Self> {
        let _known_end = record.relayed(answer.body());
        record.end().await;
        answer.map(|body| Self::Own { body: Full::new(body), record })
    }

    /// Creates an answer whose record has ended.
    pub fn recorded(answer: Response<Bytes>, record: Box<RequestRecord>) -> Response<Self> {
        answer.map(|body| Self::Own { body: Full::new(body), record })
    }

    /// Creates a page of callsign without a record.
    pub fn page(body: Bytes) -> Self {
        Self::Page(Full::new(body))
    }

    /// Creates an empty answer without a record, for CORS preflight requests.
    pub fn empty() -> Self {
        Self::Empty
    }

    /// Creates the relay of OpenRouter's response. `idle` is the longest allowed silence between two frames. `upload`
    /// is the state of the request's upload, which is cancelled when the response ends. `read_on` takes the rest of the
    /// response over if the client leaves.
    pub fn relayed(
        body: AnswerBody,
        record: Box<RequestRecord>,
        idle: Duration,
        upload: Option<Arc<UploadState>>,
        read_on: Option<Arc<ReadOn>>,
    ) -> Self {
        let silence = Silence { limit: idle, since: None, alarm: None };
        let relayed = Relayed { body, record, silence, upload: UploadGuard(upload), release: None, copy: None };
        Self::Relayed(Attended { relayed: Some(Box::new(relayed)), read_on })
    }

    /// Copies the body of a list for the cache while it passes.
    #[must_use]
    pub(crate) fn copied_to(mut self, copy: Option<ListCopy>) -> Self {
        if let Self::Relayed(Attended { relayed: Some(relayed), .. }) = &mut self {
            relayed.copy = copy;
        }
        self
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match self.get_mut() {
            Self::Empty | Self::Relayed(Attended { relayed: None, .. }) => Poll::Ready(None),
            Self::Own { body, .. } | Self::Page(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Relayed(Attended { relayed: Some(relayed), .. }) => relayed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Own { body, .. } | Self::Page(body) => body.is_end_stream(),
            Self::Relayed(attended) => attended.relayed.as_ref().is_none_or(|relayed| relayed.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Own { body, .. } | Self::Page(body) => body.size_hint(),
            Self::Relayed(attended) => attended.relayed.as_ref().map(|relayed| relayed.size_hint()).unwrap_or_default(),
        }
    }
}

/// A response whose client may leave before its end.
#[derive(Debug)]
pub struct Attended {
    /// `None` once it is dropped.
    relayed: Option<Box<Relayed>>,
    read_on: Option<Arc<ReadOn>>,
}

impl Drop for Attended {
    fn drop(&mut self) {
        if let (Some(relayed), Some(read_on)) = (self.relayed.take(), self.read_on.take())
            && relayed.record.can_be_read_on()
            && relayed.upload.is_complete()
        {
            let Relayed { body, record, .. } = *relayed;
            read_on.start(record, Rest::Body(body));
        }
    }
}

/// The relay of one response of OpenRouter.
#[derive(Debug)]
struct Relayed {
    body: AnswerBody,
    record: Box<RequestRecord>,
    silence: Silence,
    upload: UploadGuard,
    /// The end of the response, kept until its ledger row is written (`docs/SPEC.md#strict-mode`).
    release: Option<Release>,
    /// The copy of a list for the cache.
    copy: Option<ListCopy>,
}

/// The end of a response that waits for its ledger row.
#[derive(Debug)]
struct Release {
    committed: Committed,
    last: Option<Bytes>,
}

impl Relayed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(release) = &mut self.release {
            ready!(Pin::new(&mut release.committed).poll(cx));
            // After the last event the stream still has its end.
            if let Some(last) = self.release.take().and_then(|release| release.last) {
                return Poll::Ready(Some(Ok(Frame::data(last))));
            }
        }
        if self.record.is_blocked() {
            return Poll::Ready(Some(Err(RelayError::Blocked)));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.reset();
                // Trailers end a stream and are dropped: no client of these APIs uses them.
                let Ok(data) = frame.into_data() else { return self.end(None, cx) };
                let final_at = self.record.relayed(&data);
                // hyper does not poll again after the last announced byte.
                let ends = self.body.is_end_stream();
                self.copy = self.copy.take().and_then(|mut copy| copy.push(&data).then_some(copy));
                if ends {
                    self.finish_copy();
                }
                let last_byte = || ends.then(|| data.len().saturating_sub(1));
                match final_at.or_else(last_byte).filter(|_| self.record.waits_for_row()) {
                    Some(at) => self.hold(data, at, cx),
                    None if ends => self.end(Some(data), cx),
                    None => Poll::Ready(Some(Ok(Frame::data(data)))),
                }
            }
            Poll::Ready(Some(Err(_))) => {
                // `server` writes every byte before the error first.
                self.record.outcome = Outcome::UpstreamCut;
                Poll::Ready(Some(Err(RelayError::Upstream)))
            }
            Poll::Ready(None) => {
                self.finish_copy();
                self.end(None, cx)
            }
            Poll::Pending if self.silence.poll_over(cx) => {
                self.record.outcome = Outcome::UpstreamSilent;
                Poll::Ready(Some(Err(RelayError::Silent)))
            }
            Poll::Pending if self.record.poll_blocked(cx) => Poll::Ready(Some(Err(RelayError::Blocked))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Puts the copy of a complete list into the cache.
    fn finish_copy(&mut self) {
        if let Some(copy) = self.copy.take() {
            copy.finish();
        }
    }

    /// Holds the byte with which the client has the whole answer, and those after it, until the ledger row is written.
    /// Bytes before it leave at once.
    fn hold(&mut self, data: Bytes, at: usize, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.record.outcome = Outcome::Complete;
        // An answer that leaves no row does not wait.
        let Some(committed) = self.record.finish() else { return Poll::Ready(Some(Ok(Frame::data(data)))) };
        let mut before = data;
        let held = before.split_off(at.min(before.len()));
        self.release = Some(Release { committed, last: Some(held) });
        if before.is_empty() { self.poll_frame(cx) } else { Poll::Ready(Some(Ok(Frame::data(before)))) }
    }

    /// Ends a complete response with its last bytes, after its ledger row is written in strict mode.
    fn end(&mut self, last: Option<Bytes>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.record.outcome = Outcome::Complete;
        match self.record.finish() {
            None => Poll::Ready(last.map(|data| Ok(Frame::data(data)))),
            Some(committed) => {
                self.release = Some(Release { committed, last });
                self.poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.release.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.release {
            None => self.body.size_hint(),
            Some(release) => {
                let held = release.last.as_ref().map_or(0, Bytes::len) as u64;
                let rest = self.body.size_hint();
                rest.exact().map_or_else(SizeHint::new, |rest| SizeHint::with_exact(held + rest))
            }
        }
    }
}

/// Cancels an incomplete upload when the response ends.
#[derive(Debug)]
struct UploadGuard(Option<Arc<UploadState>>);

impl UploadGuard {
    /// Returns true if nothing is left to upload.
    fn is_complete(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.is_complete())
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        if let Some(upload) = self.0.as_ref().filter(|upload| !upload.is_complete()) {
            upload.cancel();
        }
    }
}

/// The idle timeout of a response. Time during which the client takes nothing does not count, because hyper then does
/// not poll the body.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// Restarts the timeout after a frame.
    fn reset(&mut self) {
        self.since = None;
    }

    /// Returns true if the timeout has passed; otherwise wakes the task when it does. The timer is not reset for every
    /// frame: when it fires too early, it is reset to the remaining time.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> bool {
        let until = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        while alarm.as_mut().poll(cx).is_ready() {
            if alarm.deadline() >= until {
                return true;
            }
            alarm.as_mut().reset(until);
        }
        false
    }
}
