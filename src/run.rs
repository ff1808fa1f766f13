//! Starts callsign: opens ledger, archive and limits, and serves the data port and the admin port.

mod account_ids;
mod admin_port;
mod alerts;
pub mod in_force;
mod list_prices;
mod port;
mod rebuild;
pub(crate) mod running;
mod sign_in;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::config::Config;
use crate::data_dir;
use crate::reconcile::{self, Reconciler};
use crate::selftest::trial;
use admin_port::{AdminPort, Shown};
use callsign_gateway::audit::Auditor;
use callsign_gateway::pending::PendingCosts;
use callsign_gateway::prices::Prices;
use callsign_gateway::proxy::snapshot::Snapshot;
use callsign_gateway::proxy::{Proxy, ProxyDeps};
use callsign_gateway::server::{self, ConnectionLimiter, Drain, Options, Tls};
use callsign_gateway::shed::{InFlight, LoadLimits};
use callsign_gateway::upstream::{self, Upstream};
use callsign_store::archive::Archive;
use callsign_store::ledger::{Keeper, Ledger, Reader};
use callsign_store::limits::{Limiter, LimiterDeps};
use callsign_store::state::DirectoryLock;
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use in_force::InForce;
use port::{Port, Priority};
pub use running::{Running, ServeOptions, StartError};

/// Maximum number of connections to the admin port. They do not count as connections to the data port, so that health
/// checks are answered when the data port is full.
const ADMIN_CONNECTIONS: usize = 64;

/// Maximum number of connections above the data port's limit that get a 503 instead of being closed. They use a part of
/// the file descriptors that [`server::connection_cap`] leaves free.
const EXCESS_CONNECTIONS: usize = 32;

/// Takes the lock on the data directory. Returns `None` if there is no usable directory and none was set.
///
/// # Errors
/// [`StartError::DirectoryInUse`] if another process has the lock, or [`StartError::Directory`].
pub fn lock(config: &Config) -> Result<Option<DirectoryLock>, StartError> {
    let Some(directory) = &config.ledger.data_dir else { return Ok(None) };
    data_dir::check(config)?;
    match DirectoryLock::try_take(directory) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(StartError::DirectoryInUse(directory.clone())),
        Err(error) if config.ledger.data_dir_set => Err(StartError::Directory { path: directory.clone(), error }),
        Err(error) => {
            tracing::error!(%error, "serve: cannot use the data directory; nothing is kept there");
            Ok(None)
        }
    }
}

/// Starts callsign with this configuration. The ports are bound when it returns.
///
/// # Errors
/// [`StartError`].
pub fn start(config: &Config, serve: ServeOptions) -> Result<Running, StartError> {
    start_with(config, serve, lock(config)?)
}

/// Starts a callsign for one test request, beside a server that may have the data directory. It records the request in
/// the ledger, and keeps no limits and blocks in the directory.
///
/// # Errors
/// [`StartError`].
pub fn start_beside(config: &Config, serve: ServeOptions) -> Result<Running, StartError> {
    start_parts(config, serve, None)
}

/// Starts callsign with a lock on its data directory. Without a lock it keeps no limits and blocks there.
///
/// # Errors
/// [`StartError`].
pub fn start_with(config: &Config, serve: ServeOptions, lock: Option<DirectoryLock>) -> Result<Running, StartError> {
    let running = start_parts(config, serve, lock)?;
    if !running.limiter.keeps_state() {
        tracing::warn!("state: blocks are only in memory; set CALLSIGN_DATA_DIR to keep them over a restart");
    }
    Ok(running)
}

fn start_parts(config: &Config, serve: ServeOptions, lock: Option<DirectoryLock>) -> Result<Running, StartError> {
    let metrics = metrics(config);
    let drain = Drain::new(config.drain.delay, config.drain.total);
    let to_upstream = to_upstream(config, &serve, &metrics);
    let load_limits = load_limits(config);
    let clock = Arc::new(TrustedClock::default());
    let ledger = Ledger::open(&config.ledger, &metrics, &clock)?;
    let archive = Archive::open(&config.archive, &metrics, &clock)?;
    let limiter_deps = LimiterDeps { metrics: Arc::clone(&metrics), clock: Arc::clone(&clock), lock: lock.clone() };
    let limiter = Limiter::start(&config.limits, &config.ledger, limiter_deps)?;
    let queue = reconciles(config).then(Arc::<PendingCosts>::default);
    let prices = Prices::default();
    let deps = ProxyDeps {
        metrics: Arc::clone(&metrics),
        auditor: Auditor::start(Arc::clone(&metrics))?,
        in_flight: InFlight::new(load_limits),
        ledger: ledger.clone(),
        pending: queue.clone(),
        archive: archive.clone(),
        limiter: limiter.clone(),
        prices: prices.clone(),
        reader: Reader::open(&config.ledger).ok(),
        clock,
        buffer_total: config.bodies.buffer_total_bytes as u64,
        drain: drain.clone(),
    };
    let proxy = Proxy::new(Snapshot::new(&config.proxy(), None)?, Upstream::new(&to_upstream)?, deps);
    let in_force = InForce::new(config, proxy.clone(), Arc::clone(&metrics))?;
    let mut tasks = start_tasks(config, &in_force, prices, &limiter, &metrics);
    tasks.extend(serve.finds_accounts.then(|| tokio::spawn(account_ids::run(in_force.clone())).abort_handle()));
    let reconciler = queue.map(|queue| start_reconciler(config, queue, &in_force, &limiter, &metrics)).transpose()?;
    tasks.extend(reconciler);
    let tls = config.data.tls.as_ref().map(|files| Tls::load(&files.cert, &files.key)).transpose()?;
    let options =
        |limiter, tls| Arc::new(Options { timeouts: serve.timeouts, connection_limiter: Arc::new(limiter), tls });

    let (alive, ports) = mpsc::channel(1);
    let listeners = listen_for_apps(config.data.listen, serve.workers)?;
    let data = listeners.first().map_or(Ok(config.data.listen), std::net::TcpListener::local_addr)?;
    let admin = config.admin.listen.map(listen).transpose()?;
    let connections = ConnectionLimiter::new(
        load_limits.connections,
        load_limits.connections_per_address,
        EXCESS_CONNECTIONS,
        Some(Arc::clone(&metrics)),
    );
    let data_options = options(connections, tls.clone());
    for (number, listener) in listeners.into_iter().enumerate() {
        let handler = proxy.with_upstream(Upstream::new(&to_upstream)?);
        let port = Port { listener, options: Arc::clone(&data_options), drain: drain.clone(), alive: alive.clone() };
        port.serve_in_thread(format!("callsign-{number}"), Priority::Normal, handler, &metrics)?;
    }
    let admin = match admin {
        None => None,
        Some((address, listener)) => {
            let configuration = in_force.clone();
            let connections = ConnectionLimiter::new(ADMIN_CONNECTIONS, usize::MAX, 0, None);
            let shown = Shown {
                metrics: Arc::clone(&metrics),
                drain: drain.clone(),
                view: in_force.view(),
                sign_in: Arc::new(in_force.sign_in()),
                reconcile: reconcile::now::reconcile(&in_force, &limiter),
                self_test: trial::self_test(start_beside, move || configuration.config()),
                data,
                ledger: ledger.clone(),
                limiter: limiter.clone(),
                ledger_settings: config.ledger.clone(),
                archive: archive.clone(),
                archive_place: config.archive.place.clone(),
            };
            let (handler, options) = (AdminPort::new(&config.admin.console, shown), options(connections, None));
            let port = Port { listener, options, drain: drain.clone(), alive };
            port.serve_in_thread("callsign-admin".to_owned(), Priority::Background, handler, &metrics)?;
            Some(address)
        }
    };
    Ok(Running { data, admin, tls, in_force, drain, ledger, archive, limiter, tasks, ports, _lock: lock })
}

/// Starts fetching list prices, and rebuilding budgets from the ledger.
fn start_tasks(
    config: &Config,
    in_force: &InForce,
    prices: Prices,
    limiter: &Limiter,
    metrics: &Arc<Metrics>,
) -> Vec<AbortHandle> {
    let list = list_prices::run(in_force.clone(), prices, limiter.clone(), Arc::clone(metrics));
    let mut tasks = vec![tokio::spawn(list).abort_handle()];
    let alerts = alerts::run(in_force.clone(), Reader::open(&config.ledger).ok(), Arc::clone(metrics));
    tasks.push(tokio::spawn(alerts).abort_handle());
    if let Ok(reader) = Reader::open(&config.ledger) {
        tasks.push(tokio::spawn(rebuild::run(in_force.clone(), reader, limiter.clone())).abort_handle());
    }
    tasks
}

/// Creates the metrics. Alerts are on from the first request.
fn metrics(config: &Config) -> Arc<Metrics> {
    let metrics = Arc::new(Metrics::new());
    metrics.alerts.turn(config.alerts.webhook.is_some());
    metrics
}

/// Returns the options of connections to OpenRouter.
fn to_upstream(config: &Config, serve: &ServeOptions, metrics: &Arc<Metrics>) -> upstream::Options {
    upstream::Options {
        url: config.upstream.url.clone(),
        connect_timeout: config.upstream.connect_timeout,
        first_byte_timeout: config.upstream.first_byte_timeout,
        http2: config.upstream.http2,
        pool: config.upstream.pool,
        proxy_from_env: serve.proxy_from_env,
        metrics: Arc::clone(metrics),
    }
}

/// Returns true if costs that did not arrive are looked up.
fn reconciles(config: &Config) -> bool {
    config.reconcile && config.ledger.store.is_some()
}

/// Starts the reconciliation.
fn start_reconciler(
    config: &Config,
    queue: Arc<PendingCosts>,
    in_force: &InForce,
    limiter: &Limiter,
    metrics: &Arc<Metrics>,
) -> Result<AbortHandle, StartError> {
    let deps = reconcile::Deps {
        in_force: in_force.clone(),
        queue,
        reader: Reader::open(&config.ledger)?,
        keeper: Keeper::open(&config.ledger)?,
        limiter: limiter.clone(),
        metrics: Arc::clone(metrics),
    };
    Ok(tokio::spawn(Reconciler::new(deps).run()).abort_handle())
}

/// Returns the limits in force on this machine.
fn load_limits(config: &Config) -> LoadLimits {
    let most = server::connection_cap();
    let limits = LoadLimits::new(&config.shedding, most);
    if config.shedding.connections.is_some_and(|set| set > most) {
        tracing::warn!(max_connections = most, "the open-files limit allows fewer connections than are set");
    }
    limits
}

/// Binds the data port's listeners, one for each thread.
fn listen_for_apps(address: SocketAddr, workers: usize) -> Result<Vec<std::net::TcpListener>, StartError> {
    server::bind_shared(address, workers.max(1)).map_err(StartError::bind("CALLSIGN_LISTEN"))
}

fn listen(address: SocketAddr) -> Result<(SocketAddr, std::net::TcpListener), StartError> {
    let listener = server::bind(address).map_err(StartError::bind("CALLSIGN_ADMIN_LISTEN"))?;
    Ok((listener.local_addr()?, listener))
}
