//! Puts the rooms together: two ports, one proxy, one drain.

mod admin_port;
pub mod in_force;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::config::Config;
use admin_port::{AdminPort, Shown};
use callsign_gateway::audit::Auditor;
use callsign_gateway::proxy::snapshot::{Snapshot, SnapshotError};
use callsign_gateway::proxy::{Proxy, ProxyDeps};
use callsign_gateway::server::{self, BindError, ConnectionLimiter, Drain, Options, Timeouts, Tls, TlsError};
use callsign_gateway::shed::{InFlight, LoadLimits};
use callsign_gateway::upstream::{self, RootsError, Upstream};
use callsign_store::archive::{Archive, ArchiveError};
use callsign_store::ledger::{Ledger, LedgerError, Reader};
use callsign_store::limits::{Limiter, LimitsError};
use callsign_telemetry::metrics::Metrics;
use in_force::InForce;

/// Connections of the admin port, which has a share of its own so that health checks are answered when the data port is
/// full.
const ADMIN_CONNECTIONS: usize = 64;

/// Connections of the data port beyond its cap that are told so: a part of the descriptors that [`server::connection_cap`]
/// leaves free.
const TOLD_CONNECTIONS: usize = 32;

/// callsign at work. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running {
    /// Where the data port listens.
    pub data: SocketAddr,
    /// Where the admin port listens, if it does.
    pub admin: Option<SocketAddr>,
    /// The data port's certificate, if it speaks TLS.
    pub tls: Option<Tls>,
    /// Replaces the configuration in force.
    pub in_force: InForce,
    /// Ends it.
    pub drain: Drain,
    /// Closed behind the last request.
    ledger: Ledger,
    /// Likewise.
    archive: Archive,
    /// Closed with it.
    limiter: Limiter,
    /// Closed when the last port has ended.
    ports: mpsc::Receiver<()>,
}

/// What differs from an ordinary start; for the demonstration, `check` and tests.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Time-outs of client connections.
    pub timeouts: Timeouts,
    /// Whether `HTTPS_PROXY` and its like count on the way upstream.
    pub proxy_from_env: bool,
    /// Threads that serve the data port, each with its own listener, runtime and connections to the upstream.
    pub workers: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { timeouts: Timeouts::default(), proxy_from_env: true, workers }
    }
}

/// Why callsign cannot start although its configuration is valid.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken or not ours to take.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener cannot be used, or no thread be started.
    #[error("a listening socket or a thread cannot be had: {0}")]
    Listen(#[from] std::io::Error),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operator's root certificates.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The upstream.
    #[error(transparent)]
    SnapshotError(#[from] SnapshotError),
    /// The ledger, where requests must be written down.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Limits.
    #[error(transparent)]
    Limits(#[from] LimitsError),
}

/// Starts callsign with this configuration; the ports are bound when it returns.
///
/// # Errors
/// [`StartError`].
pub fn start(config: &Config, serve: ServeOptions) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new());
    let drain = Drain::new(config.drain.delay, config.drain.total);
    let to_upstream = upstream::Options {
        url: config.upstream.url.clone(),
        connect_timeout: config.upstream.connect_timeout,
        first_byte_timeout: config.upstream.first_byte_timeout,
        http2: config.upstream.http2,
        proxy_from_env: serve.proxy_from_env,
        metrics: Arc::clone(&metrics),
    };
    let caps = caps(config);
    let ledger = Ledger::open(&config.ledger, &metrics)?;
    let archive = Archive::open(&config.archive, &metrics)?;
    let limiter = Limiter::start(&config.limits, &config.ledger, &metrics)?;
    let fixtures = ProxyDeps {
        metrics: Arc::clone(&metrics),
        auditor: Auditor::start(Arc::clone(&metrics))?,
        in_flight: InFlight::new(caps),
        ledger: ledger.clone(),
        archive: archive.clone(),
        limiter: limiter.clone(),
        reader: Reader::open(&config.ledger).ok(),
        buffer_total: config.bodies.buffer_total_bytes as u64,
    };
    let proxy = Proxy::new(Snapshot::new(&config.proxy(), None)?, Upstream::new(&to_upstream)?, fixtures);
    let in_force = InForce::new(config, proxy.clone());
    let tls = config.data.tls.as_ref().map(|files| Tls::load(&files.cert, &files.key)).transpose()?;
    let options =
        |limiter, tls| Arc::new(Options { timeouts: serve.timeouts, connection_limiter: Arc::new(limiter), tls });

    let (alive, ports) = mpsc::channel(1);
    let listeners = server::bind_shared(config.data.listen, serve.workers.max(1))?;
    let data = listeners.first().map_or(Ok(config.data.listen), std::net::TcpListener::local_addr)?;
    let admin = config.admin.listen.map(listen).transpose()?;
    let places = ConnectionLimiter::new(
        caps.connections,
        caps.connections_per_address,
        TOLD_CONNECTIONS,
        Some(Arc::clone(&metrics)),
    );
    let data_options = options(places, tls.clone());
    for (number, listener) in listeners.into_iter().enumerate() {
        let handler = proxy.with_upstream(Upstream::new(&to_upstream)?);
        let port = Port { listener, options: Arc::clone(&data_options), drain: drain.clone(), alive: alive.clone() };
        port.serve_in_thread(format!("callsign-{number}"), handler, &metrics)?;
    }
    let admin = match admin {
        None => None,
        Some((address, listener)) => {
            let listener = TcpListener::from_std(listener)?;
            let places = ConnectionLimiter::new(ADMIN_CONNECTIONS, usize::MAX, 0, None);
            let shown = Shown {
                metrics,
                drain: drain.clone(),
                in_force: in_force.clone(),
                data,
                ledger: ledger.clone(),
                limiter: limiter.clone(),
                ledger_settings: config.ledger.clone(),
                archive: config.archive.place.clone(),
            };
            let (handler, options) = (AdminPort::new(&config.admin.console, shown), options(places, None));
            let drain = drain.clone();
            tokio::spawn(async move {
                server::serve(listener, handler, options, drain).await;
                drop(alive);
            });
            Some(address)
        }
    };
    Ok(Running { data, admin, tls, in_force, drain, ledger, archive, limiter, ports })
}

/// The limits in force on this machine.
fn caps(config: &Config) -> LoadLimits {
    let most = server::connection_cap();
    let caps = LoadLimits::new(&config.shedding, most);
    if config.shedding.connections.is_some_and(|set| set > most) {
        tracing::warn!(max_connections = most, "the open-files limit allows fewer connections than are set");
    }
    caps
}

/// One listener of the data port.
struct Port {
    listener: std::net::TcpListener,
    options: Arc<Options>,
    drain: Drain,
    alive: mpsc::Sender<()>,
}

impl Port {
    /// Serves it in a thread of its own, whose runtime never gives work away: at equal CPU per request that carried more
    /// requests than one shared runtime, whose threads wake each other (docs/PERFORMANCE.md).
    fn serve_in_thread(self, name: String, handler: Proxy, metrics: &Metrics) -> Result<(), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        metrics.add_runtime(runtime.handle().clone());
        std::thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(async move {
                match TcpListener::from_std(self.listener) {
                    Ok(listener) => server::serve(listener, handler, self.options, self.drain).await,
                    Err(error) => tracing::error!(%error, "a listening socket cannot be used"),
                }
            });
            drop(self.alive);
        })?;
        Ok(())
    }
}

fn listen(address: SocketAddr) -> Result<(SocketAddr, std::net::TcpListener), StartError> {
    let listener = server::bind(address)?;
    Ok((listener.local_addr()?, listener))
}

impl Running {
    /// Waits until a drain is over and every connection has ended.
    pub async fn ended(mut self) {
        while self.ports.recv().await.is_some() {}
        tokio::join!(self.ledger.close(), self.archive.close());
        self.limiter.close().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Twice: begin, and at once.
        self.drain.trigger();
        self.drain.trigger();
    }
}
