//! Dials the upstream: directly, through a proxy's tunnel (HTTPS) or through a forwarding proxy (plain HTTP).
//!
//! There is one upstream, so the route is chosen once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Intercept;
use rustls::ClientConfig;
use tower_service::Service;

use super::dialled::{Dialled, Socket};
use super::guarded_stream::GuardedStream;
use super::options::Options;
use callsign_telemetry::metrics::Metrics;

/// Silence on a connection before the first TCP keep-alive probe.
const KEEPALIVE: Duration = Duration::from_mins(1);

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Name resolution, TCP and TLS together exceeded the connect timeout.
#[derive(Debug, thiserror::Error)]
#[error("connect timeout (upstream.connect_timeout_seconds) exceeded")]
pub(super) struct ConnectTimeoutError;

/// The route to the upstream.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// Without a proxy.
    Direct,
    /// HTTPS through a `CONNECT` tunnel of this proxy.
    Tunnel(Box<Intercept>),
    /// Plain HTTP through the forwarding proxy at this address.
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

/// The connector of both pools: dials, speaks TLS, and enforces the connect timeout.
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
        let transport = match route {
            Route::Direct => Transport::Direct(tcp),
            Route::Forward(proxy) => Transport::Forward(to_proxy(), proxy),
            Route::Tunnel(proxy) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy());
                Transport::Tunnel(match proxy.basic_auth() {
                    Some(authorization) => tunnel.with_auth(authorization.clone()),
                    None => tunnel,
                })
            }
        };
        let dial = Dial { transport, metrics: Arc::clone(&options.metrics) };
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
    type Response = GuardedStream;
    type Error = BoxError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.secure.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.secure.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            let stream = tokio::time::timeout(timeout, connecting).await.map_err(|_| ConnectTimeoutError)??;
            Ok(GuardedStream::new(stream))
        })
    }
}

/// Opens a stream to the upstream, without the upstream's own TLS.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    transport: Transport,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Debug)]
enum Transport {
    Direct(HttpConnector),
    Tunnel(Tunnel<HttpsConnector<HttpConnector>>),
    Forward(HttpsConnector<HttpConnector>, Uri),
}

impl Service<Uri> for Dial {
    type Response = Dialled;
    type Error = BoxError;
    type Future = Boxed<Dialled>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.transport {
            Transport::Direct(tcp) => tcp.poll_ready(cx).map_err(Into::into),
            Transport::Tunnel(tunnel) => tunnel.poll_ready(cx).map_err(Into::into),
            Transport::Forward(proxy, _) => proxy.poll_ready(cx),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let forward = matches!(self.transport, Transport::Forward(..));
        let connecting: Boxed<Socket> = match &mut self.transport {
            Transport::Direct(tcp) => {
                let connecting = tcp.call(uri);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Transport::Tunnel(tunnel) => {
                let connecting = tunnel.call(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
            Transport::Forward(proxy, address) => proxy.call(address.clone()),
        };
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move { Ok(Dialled::new(connecting.await?, forward, metrics)) })
    }
}
