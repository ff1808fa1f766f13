//! The configuration in force. Several parts of the program have a copy of their share; all are replaced together.

use std::sync::Arc;

use arc_swap::ArcSwap;
use callsign_console::View;
use callsign_gateway::proxy::Proxy;
use callsign_gateway::proxy::snapshot::SnapshotError;
use callsign_store::org_ids::OrgIds;
use callsign_telemetry::metrics::Metrics;
use tokio::sync::Notify;

use super::sign_in::SignInByProxy;
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
    /// Signs people in to the console.
    sign_in: SignInByProxy,
    /// The ids of accounts that OpenRouter told.
    found: Arc<ArcSwap<OrgIds>>,
    /// Has a permit after a reload.
    reloads: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl InForce {
    /// Creates the handles for `config`, with which `proxy` was created.
    ///
    /// # Errors
    /// The HTTP client for the keys of issuers cannot be created.
    pub(super) fn new(config: &Config, proxy: Proxy, metrics: Arc<Metrics>) -> Result<Self, SnapshotError> {
        let view = Arc::new(ArcSwap::from_pointee(config.view()));
        let sign_in = SignInByProxy::new(&config.admin.issuers)?;
        let (found, reloads) = (Arc::default(), Arc::default());
        let config = Arc::new(ArcSwap::from_pointee(config.clone()));
        Ok(Self { proxy, view, config, sign_in, found, reloads, metrics })
    }

    /// Puts another configuration in force. Running requests keep the old one.
    ///
    /// # Errors
    /// [`SnapshotError`]. The old configuration then stays in force.
    pub fn replace(&self, config: &Config) -> Result<(), SnapshotError> {
        let sign_in = self.sign_in.prepare(&config.admin.issuers)?;
        self.proxy.replace_settings(&config.proxy())?;
        self.sign_in.replace(sign_in);
        self.config.store(Arc::new(config.clone()));
        self.show();
        self.reloads.notify_one();
        Ok(())
    }

    /// Waits until the configuration has been replaced since the last call.
    pub(super) async fn changed(&self) {
        self.reloads.notified().await;
    }

    /// Puts ids of accounts in force that OpenRouter told: all of them if `all`, else in addition to the known ones.
    pub(super) fn found_org_ids(&self, found: OrgIds, all: bool) {
        let found = if all { found } else { self.found.load().joined(&found) };
        self.found.store(Arc::new(found));
        self.show();
    }

    fn show(&self) {
        let config = self.config.load();
        let mut view = config.view();
        if config.upstream.org_id.is_none() {
            view.org_ids = OrgIds::clone(&self.found.load());
        }
        self.view.store(Arc::new(view));
    }

    /// Records if the latest reload succeeded, for `/metrics` and `/readyz`.
    pub fn reloaded(&self, successful: bool) {
        self.metrics.reloaded.set(i64::from(successful));
    }

    /// Describes the run-time limits, which win over the configuration.
    pub fn run_time_limits(&self) -> Vec<String> {
        self.proxy.limiter().overrides().described(MOST_DESCRIBED)
    }

    /// Returns the sign-in of the console.
    pub(super) fn sign_in(&self) -> SignInByProxy {
        self.sign_in.clone()
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
