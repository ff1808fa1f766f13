//! A stream to the upstream that knows which part of an exchange it carries, and refuses bytes that cannot belong to it.
//!
//! hyper's connection owns the stream, so the pool that checks the connection shares a [`Guard`] with it.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};

use super::dialled::Dialled;
use super::head_end::HeadEnd;

/// The phases of a stream. Its order is that of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Phase {
    /// No checks: hyper-util's pool uses the stream.
    Unguarded,
    /// A request is about to be given to hyper. Before, the kernel is asked for bytes that nobody asked for.
    Checking,
    /// hyper has a request; the end of its head was not written.
    Sending,
    /// The end of the head was written, perhaps into a buffer of TLS.
    Written,
    /// The head has left.
    Sent,
}

/// The phase of one stream, shared by the stream and the pool.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<AtomicU8>);

impl Guard {
    fn is(&self, phase: Phase) -> bool {
        self.0.load(Ordering::Relaxed) == phase as u8
    }

    fn set(&self, phase: Phase) {
        // The owner of the connection changes the phase and polls the stream, one after the other.
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    /// Expects no byte, and asks the kernel for one.
    pub(super) fn check(&self) {
        self.set(Phase::Checking);
    }

    /// Expects a request, and no byte of an answer before its head has left.
    pub(super) fn sending(&self) {
        self.set(Phase::Sending);
    }
}

/// A stream to the upstream.
#[derive(Debug)]
pub(super) struct GuardedStream {
    inner: MaybeHttpsStream<Dialled>,
    guard: Guard,
    head_end: HeadEnd,
    /// True if writing has failed. The answer can still be read then.
    is_write_broken: bool,
}

impl GuardedStream {
    pub(super) fn new(inner: MaybeHttpsStream<Dialled>) -> Self {
        let guard = Guard(Arc::new(AtomicU8::new(Phase::Unguarded as u8)));
        Self { inner, guard, head_end: HeadEnd::default(), is_write_broken: false }
    }

    /// Returns the guard. Until one of its functions is called, the stream checks nothing.
    pub(super) fn guard(&self) -> Guard {
        self.guard.clone()
    }

    fn is_http2(&self) -> bool {
        self.inner.connected().is_negotiated_h2()
    }

    /// Asks the kernel for bytes. tokio would not: it takes a stream for empty until it hears from epoll, so bytes that
    /// arrived meanwhile would be read as the answer to the next request.
    fn has_arrived(&self) -> bool {
        let dialled = match &self.inner {
            MaybeHttpsStream::Http(dialled) => dialled,
            MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner(),
        };
        !dialled.is_silent()
    }

    /// Follows the first `count` bytes, which were written, up to the end of the request's head.
    fn follow(&mut self, bufs: &[IoSlice<'_>], mut count: usize) {
        for buf in bufs {
            if count == 0 || !self.guard.is(Phase::Sending) {
                return;
            }
            let written = buf.get(..count).unwrap_or(buf);
            count -= written.len();
            if self.head_end.is_in(written) {
                self.guard.set(Phase::Written);
            }
        }
    }

    /// Hides a failure to write: the upstream may have answered before it closed, and hyper would not read that answer
    /// (`docs/SPEC.md#no-retries`). Nothing more is written; the end of the stream ends the exchange.
    fn survive(&mut self, result: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if !self.is_http2() => {
                tracing::debug!(%error, "cannot write to the upstream; reading its answer");
                self.is_write_broken = true;
                Poll::Pending
            }
            other => other,
        }
    }
}

impl Connection for GuardedStream {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

impl Read for GuardedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        if this.guard.is(Phase::Written) && Pin::new(&mut this.inner).poll_flush(cx).is_ready() {
            this.guard.set(Phase::Sent);
        }
        let is_early = this.guard.is(Phase::Sending) || this.guard.is(Phase::Written);
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if is_early => Poll::Ready(Err(unexpected())),
            Poll::Pending if this.guard.is(Phase::Checking) && this.has_arrived() => Poll::Ready(Err(unexpected())),
            other => other,
        }
    }
}

fn unexpected() -> Error {
    Error::new(ErrorKind::InvalidData, "bytes arrived before the request was sent")
}

impl Write for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.is_write_broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = &result {
            this.follow(&[IoSlice::new(buf)], *count);
        }
        this.survive(result)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.is_write_broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(count)) = &result {
            this.follow(bufs, *count);
        }
        this.survive(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        if this.is_write_broken {
            return Poll::Pending;
        }
        match Pin::new(&mut this.inner).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                if this.guard.is(Phase::Written) {
                    this.guard.set(Phase::Sent);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => this.survive(Poll::Ready(Err(error))).map_ok(|_| ()),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
