//! A stream to the upstream, or to the forwarding proxy in front of it, without the upstream's own TLS.

use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use callsign_telemetry::metrics::Metrics;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;

/// A TCP connection, or TLS to a proxy.
pub(super) type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A [`Socket`] of the size of a TCP connection. TLS to a proxy is rare, and its state has a kilobyte.
#[derive(Debug)]
enum Stream {
    Tcp(TokioIo<TcpStream>),
    Tls(Box<Socket>),
}

impl Stream {
    fn new(socket: Socket) -> Self {
        match socket {
            MaybeHttpsStream::Http(tcp) => Self::Tcp(tcp),
            MaybeHttpsStream::Https(_) => Self::Tls(Box::new(socket)),
        }
    }
}

/// Counts one open connection until it is dropped.
#[derive(Debug)]
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.attribution.upstream_opened();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.attribution.upstream_closed();
    }
}

/// A stream to the upstream, or to the forwarding proxy in front of it.
#[derive(Debug)]
pub(super) struct Dialled {
    stream: Stream,
    /// True for a forwarding proxy, whose requests must contain the whole URL.
    forward: bool,
    _open: Open,
}

impl Dialled {
    /// Counts the connection in `metrics`. `forward` is true for a forwarding proxy.
    pub(super) fn new(stream: Socket, forward: bool, metrics: Arc<Metrics>) -> Self {
        Self { stream: Stream::new(stream), forward, _open: Open::new(metrics) }
    }

    /// Returns true if neither a byte nor the end of the stream waits in the kernel.
    pub(super) fn is_silent(&self) -> bool {
        let tcp = match &self.stream {
            Stream::Tcp(tcp) => tcp.inner(),
            Stream::Tls(tls) => match &**tls {
                MaybeHttpsStream::Http(tcp) => tcp.inner(),
                MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
            },
        };
        let peeked = SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        let connected = match &self.stream {
            Stream::Tcp(tcp) => tcp.connected(),
            Stream::Tls(tls) => tls.connected(),
        };
        connected.proxy(self.forward)
    }
}

impl Read for Dialled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl Write for Dialled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
