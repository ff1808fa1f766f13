//! The configuration in force. Several parts of the program have a copy of their share; all are replaced together.

use std::sync::Arc;

use arc_swap::ArcSwap;
use callsign_console::View;
use callsign_gateway::proxy::Proxy;
use callsign_gateway::proxy::snapshot::SnapshotError;
use callsign_telemetry::metrics::Metrics;

use crate::config::Config;

/// Maximum number of run-time limits that a reload names.
const MOST_DESCRIBED: usize = 20;

/// Handles to every copy of the configuration in force. Clones share them.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Has a snapshot of the request path's settings.
    proxy: Proxy,
    /// Shown by the console.
    view: Arc<ArcSwap<View>>,
    /// The whole configuration, for self-tests.
    config: Arc<ArcSwap<Config>>,
    metrics: Arc<Metrics>,
}

impl InForce {
    /// Creates the handles for `config`, with which `proxy` was created.
    pub(super) fn new(config: &Config, proxy: Proxy, metrics: Arc<Metrics>) -> Self {
        let view = Arc::new(ArcSwap::from_pointee(config.view()));
        Self { proxy, view, config: Arc::new(ArcSwap::from_pointee(config.clone())), metrics }
    }

    /// Puts another configuration in force. Running requests keep the old one.
    ///
    /// # Errors
    /// [`SnapshotError`]. The old configuration then stays in force.
    pub fn replace(&self, config: &Config) -> Result<(), SnapshotError> {
        self.proxy.replace_settings(&config.proxy())?;
        self.view.store(Arc::new(config.view()));
        self.config.store(Arc::new(config.clone()));
        Ok(())
    }

    /// Records if the latest reload succeeded, for `/metrics` and `/readyz`.
    pub fn reloaded(&self, successful: bool) {
        self.metrics.reloaded.set(i64::from(successful));
    }

    /// Describes the run-time limits, which win over the configuration.
    pub fn run_time_limits(&self) -> Vec<String> {
        self.proxy.limiter().overrides().described(MOST_DESCRIBED)
    }

    /// Returns the view that the console shows.
    pub(super) fn view(&self) -> Arc<ArcSwap<View>> {
        Arc::clone(&self.view)
    }

    /// Returns the whole configuration.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }
}
