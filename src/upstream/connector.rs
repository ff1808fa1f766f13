//! Dials the upstream: directly, through a tunnel (HTTPS behind a proxy) or by way of a forwarding proxy (plain HTTP).
//!
//! There is one upstream, so the route is chosen once.

use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::Options;
use crate::observe::Metrics;

/// Silence on a connection after which TCP asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_mins(1);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Name resolution, TCP and TLS together took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting timed out")]
pub(super) struct ConnectTimedOut;

/// The way to the upstream.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// No proxy.
    Direct,
    /// HTTPS through `CONNECT` at this proxy.
    Tunnel(Box<Intercept>),
    /// Plain HTTP, asked of the proxy at this address.
    Forward(Uri),
}

impl Route {
    pub(super) fn choose(upstream: &Uri, proxy: Option<&Intercept>) -> Self {
        match proxy {
            None => Self::Direct,
            Some(proxy) if upstream.scheme_str() == Some("https") => Self::Tunnel(Box::new(proxy.clone())),
            Some(proxy) => Self::Forward(proxy.uri().clone()),
        }
    }
}

/// What hyper-util's pool dials with.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    secure: HttpsConnector<Dial>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(route: Route, tls: ClientConfig, options: &Options) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        let to_proxy = || {
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
            builder.enable_http1().wrap_connector(tcp.clone())
        };
        let way = match route {
            Route::Direct => Way::Direct(tcp),
            Route::Forward(proxy) => Way::Forward(to_proxy(), proxy),
            Route::Tunnel(proxy) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy());
                Way::Tunnel(match proxy.basic_auth() {
                    Some(authorization) => tunnel.with_auth(authorization.clone()),
                    None => tunnel,
                })
            }
        };
        let dial = Dial { way, metrics: Arc::clone(&options.metrics) };
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let secure = if options.http2 {
            builder.enable_all_versions().wrap_connector(dial)
        } else {
            builder.enable_http1().wrap_connector(dial)
        };
        Self { secure, timeout: options.connect_timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Dialled>;
    type Error = BoxError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.secure.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.secure.call(uri);
        let timeout = self.timeout;
        Box::pin(async move { tokio::time::timeout(timeout, connecting).await.map_err(|_| ConnectTimedOut)? })
    }
}

/// Gives a stream to the upstream on which its own TLS, if any, has still to be spoken.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    way: Way,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Debug)]
enum Way {
    Direct(HttpConnector),
    Tunnel(Tunnel<HttpsConnector<HttpConnector>>),
    Forward(HttpsConnector<HttpConnector>, Uri),
}

impl Service<Uri> for Dial {
    type Response = Dialled;
    type Error = BoxError;
    type Future = Boxed<Dialled>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.way {
            Way::Direct(tcp) => tcp.poll_ready(cx).map_err(Into::into),
            Way::Tunnel(tunnel) => tunnel.poll_ready(cx).map_err(Into::into),
            Way::Forward(proxy, _) => proxy.poll_ready(cx),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let forward = matches!(self.way, Way::Forward(..));
        let connecting: Boxed<Socket> = match &mut self.way {
            Way::Direct(tcp) => {
                let connecting = tcp.call(uri);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Way::Tunnel(tunnel) => {
                let connecting = tunnel.call(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
            Way::Forward(proxy, address) => proxy.call(address.clone()),
        };
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move { Ok(Dialled { stream: connecting.await?, forward, _open: Open::new(metrics) }) })
    }
}

/// Counts one connection while it is there.
#[derive(Debug)]
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.upstream_opened();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.upstream_closed();
    }
}

/// A stream to the upstream or to a proxy before it.
#[derive(Debug)]
pub(super) struct Dialled {
    stream: Socket,
    /// Whether requests on it must name their whole URL, because a forwarding proxy reads them.
    forward: bool,
    _open: Open,
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.forward)
    }
}

impl Read for Dialled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl Write for Dialled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
