//! The way back: OpenRouter's answer to the client, byte for byte, frame by frame, as it arrives.
//!
//! Nothing is parsed, joined or held here. What this room adds is an end: a stream that breaks breaks for the client too,
//! with every byte that came before; a silent one is cut; a client that leaves takes the upstream request with it (the
//! body is dropped); and however it ends, it is accounted once, in [`Account`]'s `Drop`.

pub mod generation;
mod redact;
pub mod tap;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::ledger::Committed;
use crate::observe::{Account, Outcome};
use crate::upstream::verdict::Progress;
pub use redact::{concerns as may_name_account, redact_account};

/// The body of an answer.
#[derive(Debug)]
pub enum Answer {
    /// callsign's own, or one that had to be changed whole. Its account is closed when it has been sent.
    Own {
        /// The bytes.
        body: Full<Bytes>,
        /// Closed with the body.
        account: Box<Account>,
    },
    /// Nothing at all.
    Empty,
    /// OpenRouter's, on its way.
    Relayed(Box<Relayed>),
}

/// Why an answer ends early for the client. Never shown to anybody; hyper cuts the connection.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The upstream broke off.
    #[error("the upstream broke off its answer")]
    Upstream,
    /// The upstream fell silent.
    #[error("the upstream fell silent")]
    Silent,
    /// The operator has stopped the caller.
    #[error("the operator has stopped this caller")]
    Blocked,
}

impl Answer {
    /// An answer of callsign's own.
    pub fn own(body: Bytes, mut account: Box<Account>) -> Self {
        account.passed(&body);
        Self::Own { body: Full::new(body), account }
    }

    /// An answer without an account: CORS and the like.
    pub fn empty() -> Self {
        Self::Empty
    }

    /// OpenRouter's answer. `idle` is the longest silence between two frames; `upload` the rest of the request's body,
    /// which ends with the answer.
    pub fn relayed(body: Incoming, account: Box<Account>, idle: Duration, upload: Option<Arc<Progress>>) -> Self {
        let silence = Silence { limit: idle, since: None, alarm: None };
        Self::Relayed(Box::new(Relayed { body, account, silence, upload, release: None }))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Own { body, .. } => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Relayed(relayed) => relayed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Own { body, .. } => body.is_end_stream(),
            Self::Relayed(relayed) => relayed.release.is_none() && relayed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Own { body, .. } => body.size_hint(),
            Self::Relayed(relayed) => relayed.size_hint(),
        }
    }
}

/// OpenRouter's answer on its way.
#[derive(Debug)]
pub struct Relayed {
    body: Incoming,
    account: Box<Account>,
    silence: Silence,
    upload: Option<Arc<Progress>>,
    /// The end of the answer, kept until its row is written (the ledger's `strict` mode).
    release: Option<Release>,
}

/// What is let go when the row is committed.
#[derive(Debug)]
struct Release {
    committed: Committed,
    last: Option<Bytes>,
}

impl Relayed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(release) = &mut self.release {
            ready!(Pin::new(&mut release.committed).poll(cx));
            let last = self.release.take().and_then(|release| release.last);
            return Poll::Ready(last.map(|data| Ok(Frame::data(data))));
        }
        if self.account.is_cut() {
            return Poll::Ready(Some(Err(Cut::Blocked)));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.broken();
                // Trailers end a stream and do not pass: no client of these APIs asks for any.
                let Ok(data) = frame.into_data() else { return self.end(None, cx) };
                self.account.passed(&data);
                // hyper does not ask again after the last announced byte.
                if self.body.is_end_stream() {
                    self.end(Some(data), cx)
                } else {
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
            }
            Poll::Ready(Some(Err(_))) => {
                // `server` sees to it that everything before is written first.
                self.account.outcome = Outcome::UpstreamCut;
                Poll::Ready(Some(Err(Cut::Upstream)))
            }
            Poll::Ready(None) => self.end(None, cx),
            Poll::Pending if self.silence.poll_over(cx) => {
                self.account.outcome = Outcome::UpstreamSilent;
                Poll::Ready(Some(Err(Cut::Silent)))
            }
            Poll::Pending if self.account.poll_cut(cx) => Poll::Ready(Some(Err(Cut::Blocked))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The answer is whole; `last` is what is still to go out of it.
    fn end(&mut self, last: Option<Bytes>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.account.outcome = Outcome::Complete;
        match self.account.settle() {
            None => Poll::Ready(last.map(|data| Ok(Frame::data(data)))),
            Some(committed) => {
                self.release = Some(Release { committed, last });
                self.poll_frame(cx)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.release {
            None => self.body.size_hint(),
            Some(release) => SizeHint::with_exact(release.last.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload
            && !upload.is_complete()
        {
            upload.cancel();
        }
    }
}

/// Watches for an upstream that falls silent while it is being read. Time during which the client takes nothing does not
/// count, because nobody asks then.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn broken(&mut self) {
        self.since = None;
    }

    /// Whether the silence is over the limit; if not, the task is woken when it would be. The timer is not re-armed for
    /// every frame: when it fires too early, it is set to what is left.
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
