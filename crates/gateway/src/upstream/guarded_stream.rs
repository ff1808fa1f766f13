//! A stream to the upstream that can be asked for bytes that nobody asked for, and from which an answer can still be read
//! after writing has failed.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};

use super::dialled::Dialled;

/// A stream to the upstream.
#[derive(Debug)]
pub(super) struct GuardedStream {
    inner: MaybeHttpsStream<Dialled>,
    /// True if writing has failed. The answer can still be read then.
    is_write_broken: bool,
}

impl GuardedStream {
    pub(super) fn new(inner: MaybeHttpsStream<Dialled>) -> Self {
        Self { inner, is_write_broken: false }
    }

    fn is_http2(&self) -> bool {
        self.inner.connected().is_negotiated_h2()
    }

    /// Asks the kernel, and returns true if neither a byte nor the end of the stream waits there. tokio would not ask: it
    /// takes a stream for empty until it hears from epoll, so bytes that arrived meanwhile would be read as the answer to
    /// the next request.
    pub(super) fn is_silent(&self) -> bool {
        let dialled = match &self.inner {
            MaybeHttpsStream::Http(dialled) => dialled,
            MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner(),
        };
        dialled.is_silent()
    }

    /// Hides a failure to write: the upstream may have answered before it closed, and the client would not read that answer
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
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}

impl Write for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.is_write_broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.survive(result)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.is_write_broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
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
            Poll::Ready(Err(error)) => this.survive(Poll::Ready(Err(error))).map_ok(|_| ()),
            other => other,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
