//! The timeouts of a connection's reads: first byte, head, idle. Also detects the protocol.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::activity::Activity;
use super::settings::Timeouts;
use crate::server::alarm::Alarm;

/// The first bytes of every HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes read at most to detect the protocol: as many as hyper's first read, so that hyper's buffer does not grow.
const AHEAD: usize = 8192;

/// Time for an idle connection to close gracefully (GOAWAY and its answer) before it is cut.
const GOODBYE: Duration = Duration::from_secs(5);

/// A stream with timeouts for the bytes that the client must send.
///
/// A timeout while a head is due is a read error. The idle timeout sets [`Activity::is_idle_for_too_long`], and the
/// connection then closes gracefully; if that takes longer than [`GOODBYE`], reads return the end of the stream. No
/// timeout runs while a request is in flight or while the client does not take the bytes written to it.
#[derive(Debug)]
pub(in crate::server) struct ReadTimeout<S> {
    stream: S,
    timeouts: Timeouts,
    activity: Arc<Activity>,
    stage: Stage,
    /// Bytes of [`PREFACE`] received so far; `None` once the connection cannot be HTTP/2.
    preface: Option<usize>,
    /// Bytes read to detect the protocol, which the next read returns again.
    ahead: Bytes,
    /// True while the client does not take the bytes written to it.
    blocked: bool,
    /// The time at which the graceful close began.
    goodbye: Option<Instant>,
    alarm: Alarm,
}

/// A client's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Protocol {
    /// HTTP/1.1, or anything else that does not begin with the HTTP/2 preface.
    Http1,
    /// HTTP/2, by prior knowledge (RFC 9113, section 3.3) or by ALPN.
    Http2,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Nothing has been received yet.
    Silent,
    /// A head began when `requests` requests had been counted; it is complete once the service has counted one more.
    Head { requests: u64, since: Option<Instant> },
    /// HTTP/2 after its preface. Frames are not parsed, so a PING does not count as a request.
    Http2,
}

impl<S> ReadTimeout<S> {
    pub(in crate::server) fn new(stream: S, timeouts: Timeouts, activity: Arc<Activity>) -> Self {
        let stage = Stage::Silent;
        Self {
            stream,
            timeouts,
            activity,
            stage,
            preface: Some(0),
            ahead: Bytes::new(),
            blocked: false,
            goodbye: None,
            alarm: Alarm::default(),
        }
    }

    /// Updates the stage with bytes that the client sent.
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

    /// Returns the current deadline, or `None` while no timeout runs.
    fn due(&mut self) -> Option<Instant> {
        if self.blocked || self.activity.in_flight() {
            return None;
        }
        let requests = self.activity.requests();
        Some(match &mut self.stage {
            Stage::Silent => self.activity.accepted + self.timeouts.first_byte,
            // The clock is read only when a read finds the head incomplete; a head in one piece costs no clock read.
            Stage::Head { requests: begun, since } if *begun == requests => {
                *since.get_or_insert_with(Instant::now) + self.timeouts.head
            }
            Stage::Head { .. } | Stage::Http2 => match self.goodbye {
                None => self.activity.quiet_since() + self.timeouts.idle,
                Some(said) => self.activity.quiet_since().max(said) + GOODBYE,
            },
        })
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(due) = self.due() else {
                // A response may end in another task without waking this one. The idle time that begins then is at
                // least one period long.
                self.alarm.beat(cx, self.timeouts.idle);
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

    /// Records whether the client takes the bytes written to it.
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

impl<S: AsyncRead + Unpin> ReadTimeout<S> {
    /// Detects the client's protocol from its first bytes. The next read returns the same bytes again.
    ///
    /// hyper-util can detect it too, but with a read of 24 bytes, after which hyper's buffer grows to twice its size
    /// for the rest of the connection.
    ///
    /// # Errors
    /// The stream's errors, and the timeouts of the first byte and the head.
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

impl<S: AsyncRead + Unpin> AsyncRead for ReadTimeout<S> {
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
            Poll::Pending => this.poll_deadline(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadTimeout<S> {
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
