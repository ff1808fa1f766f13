//! Ends a connection with a TCP reset instead of a FIN (`docs/SPEC.md#broken-streams`).
//!
//! An HTTP/1.0 answer without a length ends where its connection ends. If such an answer is cut, a FIN would make it look
//! complete.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Maximum time that bytes may take to leave before the reset, which drops the rest.
const LONGEST: Duration = Duration::from_secs(1);

/// Tells a connection's socket that its answer was cut.
#[derive(Clone, Debug, Default)]
pub(super) struct CutSignal(Arc<AtomicBool>);

impl CutSignal {
    /// Marks the answer as cut.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A socket that is reset when it is dropped after its [`CutSignal`] was set.
#[derive(Debug)]
pub(super) struct ResettableSocket {
    /// `None` only while it is dropped.
    socket: Option<TcpStream>,
    cut: CutSignal,
}

impl ResettableSocket {
    /// Wraps an accepted socket.
    pub(super) fn new(socket: TcpStream, cut: CutSignal) -> Self {
        Self { socket: Some(socket), cut }
    }

    fn socket(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        self.get_mut().socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for ResettableSocket {
    fn drop(&mut self) {
        if !self.cut.is_set() {
            return;
        }
        // Outside of a runtime the process is ending, which closes the socket anyway.
        if let (Some(socket), Ok(runtime)) = (self.socket.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = reset(socket).await {
                    tracing::debug!(%error, "a cut connection could not be reset");
                }
            });
        }
    }
}

/// Resets the connection once the kernel has sent all bytes.
async fn reset(socket: TcpStream) -> io::Result<()> {
    // From now on the socket is writable only while nothing is unsent.
    SockRef::from(&socket).set_tcp_notsent_lowat(1)?;
    // A new registration asks for the state again.
    let socket = TcpStream::from_std(socket.into_std()?)?;
    let _timed_out = tokio::time::timeout(LONGEST, socket.writable()).await;
    // Closing a socket that lingers for no time resets the connection.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))
}

impl AsyncRead for ResettableSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.socket() {
            Ok(socket) => socket.poll_read(cx, buf),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for ResettableSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.socket() {
            Ok(socket) => socket.poll_write(cx, buf),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.socket() {
            Ok(socket) => socket.poll_write_vectored(cx, bufs),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket() {
            Ok(socket) => socket.poll_flush(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.is_set() {
            // A FIN would say that the answer is complete.
            return Poll::Ready(Ok(()));
        }
        match self.socket() {
            Ok(socket) => socket.poll_shutdown(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}
