//! The reading side's time-outs: first byte, head, idle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{Activity, Alarm, Patience};

/// The first bytes of every HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is read at most to tell the protocol: as much as hyper's first read, so that its buffer need not grow for it.
const AHEAD: usize = 8192;

/// What an idle connection may take to say goodbye (GOAWAY and its answer) before it is closed.
const GOODBYE: Duration = Duration::from_secs(5);

/// A stream that stops waiting for a client that sends nothing where something is due.
///
/// A time-out while a head is due is a read error. A connection that was idle for long enough sets
/// [`Activity::is_idle_for_too_long`], upon which its driver closes it gracefully, and reads as ended if that takes
/// longer than [`GOODBYE`]. While a request is in flight, or bytes to the client are stuck, nothing is due.
#[derive(Debug)]
pub(in crate::server) struct Patient<S> {
    stream: S,
    patience: Patience,
    activity: Arc<Activity>,
    stage: Stage,
    /// How much of [`PREFACE`] the connection has begun with; `None` once it cannot be HTTP/2.
    preface: Option<usize>,
    /// What was read to tell the protocol and is to be read again.
    ahead: Bytes,
    blocked: bool,
    goodbye: Option<Instant>,
    alarm: Alarm,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Protocol {
    /// Anything that does not begin as HTTP/2 does.
    Http1,
    /// HTTP/2, which it began without asking (RFC 9113, section 3.3) or by TLS's ALPN.
    Http2,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Nothing has come yet.
    Silent,
    /// A head began after so many `requests`; over as soon as the service has counted one more.
    Head { requests: u64, since: Option<Instant> },
    /// HTTP/2 after its preface. Frames are not looked at, so a PING is no sign of a request.
    Http2,
}

impl<S> Patient<S> {
    pub(in crate::server) fn new(stream: S, patience: Patience, activity: Arc<Activity>) -> Self {
        let stage = Stage::Silent;
        Self {
            stream,
            patience,
            activity,
            stage,
            preface: Some(0),
            ahead: Bytes::new(),
            blocked: false,
            goodbye: None,
            alarm: Alarm::default(),
        }
    }

    /// Takes note of bytes that the client sent.
    fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || matches!(self.stage, Stage::Http2) || self.activity.in_flight() {
            return;
        }
        let requests = self.activity.requests();
        if !matches!(self.stage, Stage::Head { requests: begun, .. } if begun == requests) {
            self.stage = Stage::Head { requests, since: None };
        }
        self.preface = self.preface.and_then(|matched| {
            let rest = PREFACE.get(matched..)?;
            let length = rest.len().min(bytes.len());
            (rest.get(..length) == bytes.get(..length)).then_some(matched + length)
        });
        if self.preface == Some(PREFACE.len()) {
            self.stage = Stage::Http2;
            self.activity.quiet_now();
        }
    }

    /// When the next thing is due; `None` while nothing is.
    fn due(&mut self) -> Option<Instant> {
        if self.blocked || self.activity.in_flight() {
            return None;
        }
        let requests = self.activity.requests();
        Some(match &mut self.stage {
            Stage::Silent => self.activity.accepted + self.patience.first_byte,
            // The clock is read once the head turns out to be incomplete, which a whole one never does.
            Stage::Head { requests: begun, since } if *begun == requests => {
                *since.get_or_insert_with(Instant::now) + self.patience.head
            }
            Stage::Head { .. } | Stage::Http2 => match self.goodbye {
                None => self.activity.quiet_since() + self.patience.idle,
                Some(said) => self.activity.quiet_since().max(said) + GOODBYE,
            },
        })
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(due) = self.due() else {
                // A response may end in another task without waking this one; the idle time that begins there
                // lasts at least one beat.
                self.alarm.beat(cx, self.patience.idle);
                return Poll::Pending;
            };
            ready!(self.alarm.poll_until(cx, due));
            match self.stage {
                Stage::Head { requests, .. } if requests != self.activity.requests() => {}
                Stage::Http2 => {}
                Stage::Silent | Stage::Head { .. } => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            }
            if self.goodbye.is_some() {
                return Poll::Ready(Ok(()));
            }
            self.goodbye = Some(Instant::now());
            self.activity.idle_for_too_long.store(true, Ordering::Relaxed);
        }
    }

    /// Takes note of whether the client takes what is written to it.
    fn wrote<T>(&mut self, poll: Poll<T>) -> Poll<T> {
        if poll.is_pending() {
            self.blocked = true;
            self.activity.stuck.store(true, Ordering::Relaxed);
        } else if self.blocked {
            self.blocked = false;
            self.activity.stuck.store(false, Ordering::Relaxed);
            self.activity.quiet_now();
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> Patient<S> {
    /// Reads as much as tells what the client speaks; whoever reads next gets the same bytes again.
    ///
    /// hyper-util can tell it too, but by a read of 24 bytes, behind which hyper's buffer grows to twice its size for as
    /// long as the connection lasts.
    ///
    /// # Errors
    /// Those of the stream, and when the client takes too long.
    pub(in crate::server) async fn protocol(&mut self) -> io::Result<Protocol> {
        let mut read = BytesMut::with_capacity(AHEAD);
        let protocol = loop {
            let ended = self.read_buf(&mut read).await? == 0;
            match self.preface {
                Some(matched) if matched == PREFACE.len() => break Protocol::Http2,
                Some(_) if !ended => {}
                _ => break Protocol::Http1,
            }
        };
        self.ahead = read.freeze();
        Ok(protocol)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let length = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                this.received(buf.filled().get(before..).unwrap_or_default());
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_patience(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(cx);
        this.wrote(poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
