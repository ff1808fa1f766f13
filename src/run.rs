//! Puts the rooms together: two ports, one proxy, one drain.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::config::Config;
use crate::observe::Metrics;
use crate::proxy::Proxy;
use crate::proxy::snapshot::{Snapshot, Unusable};
use crate::server::{self, BindError, Drain, Options, Patience, Tls, TlsError};
use crate::upstream::{self, RootsError, Upstream};

/// Connections of the admin port, which has a share of its own so that health checks are answered when the data port is
/// full.
const ADMIN_CONNECTIONS: usize = 64;

/// callsign at work.
#[derive(Debug)]
pub struct Running {
    /// Where the data port listens.
    pub data: SocketAddr,
    /// Where the admin port listens, if it does.
    pub admin: Option<SocketAddr>,
    /// The data port's certificate, if it speaks TLS.
    pub tls: Option<Tls>,
    /// What the data port serves.
    pub proxy: Proxy,
    /// Ends it.
    pub drain: Drain,
    ports: JoinSet<()>,
}

/// What differs from an ordinary start; for the demonstration, `check` and tests.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Time-outs of client connections.
    pub patience: Patience,
    /// Whether `HTTPS_PROXY` and its like count on the way upstream.
    pub proxy_from_env: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self { patience: Patience::default(), proxy_from_env: true }
    }
}

/// Why callsign cannot start although its configuration is valid.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken or not ours to take.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener cannot be used.
    #[error("a listening socket cannot be used: {0}")]
    Listen(#[from] std::io::Error),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operator's root certificates.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The upstream.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Starts callsign with this configuration; the ports are bound when it returns.
///
/// # Errors
/// [`StartError`].
pub fn start(config: &Config, setting: Setting) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new());
    let drain = Drain::new(config.drain.delay, config.drain.total);
    let upstream = Upstream::new(&upstream::Options {
        url: config.upstream.url.clone(),
        connect_timeout: config.upstream.connect_timeout,
        first_byte_timeout: config.upstream.first_byte_timeout,
        http2: config.upstream.http2,
        proxy_from_env: setting.proxy_from_env,
    })?;
    let hold_total = config.bodies.hold_total_bytes as u64;
    let proxy = Proxy::new(Snapshot::new(config)?, upstream, Arc::clone(&metrics), hold_total);
    let tls = config.data.tls.as_ref().map(|files| Tls::load(&files.cert, &files.key)).transpose()?;

    let options = |connections, tls| {
        Arc::new(Options { patience: setting.patience, connections: Arc::new(Semaphore::new(connections)), tls })
    };
    let (data, data_listener) = listen(config.data.listen)?;
    let mut ports = JoinSet::new();
    let data_options = options(server::connection_cap(), tls.clone());
    ports.spawn(server::serve(data_listener, proxy.clone(), data_options, drain.clone()));
    let admin = match config.admin.listen {
        None => None,
        Some(address) => {
            let (address, listener) = listen(address)?;
            let handler = Admin::new(metrics, drain.clone());
            ports.spawn(server::serve(listener, handler, options(ADMIN_CONNECTIONS, None), drain.clone()));
            Some(address)
        }
    };
    Ok(Running { data, admin, tls, proxy, drain, ports })
}

fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listener = TcpListener::from_std(server::bind(address)?)?;
    Ok((listener.local_addr()?, listener))
}

impl Running {
    /// Waits until a drain is over and every connection has ended.
    pub async fn ended(mut self) {
        while self.ports.join_next().await.is_some() {}
    }
}
