//! Applies a changed configuration while requests run (`docs/SPEC.md#reload`).
//!
//! SIGHUP reloads at once. A changed file reloads after two equal reads one second apart, so a file that is being
//! written, or a Kubernetes volume that swaps its symlinks, is not read halfway. A reload replaces the whole snapshot:
//! each request uses the old or the new one from beginning to end. An invalid configuration is logged and the old one
//! stays in force. Listeners, logging and drain times are fixed at start.

mod change;
mod files;

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, ConfigInputs, Effective, Loaded};
use crate::run::in_force::InForce;
use callsign_gateway::server::Tls;
use files::Print;

/// Interval between two reads of the files.
const EVERY: Duration = Duration::from_secs(1);

/// Reloads the configuration of a running proxy.
#[derive(Debug)]
pub struct Reloader {
    sources: ConfigInputs,
    in_force: InForce,
    tls: Option<Tls>,
    tls_files: Vec<PathBuf>,
    /// The settings in force, to log differences.
    effective: Vec<Effective>,
    /// Digests of the files at the last reload.
    print: Print,
}

/// Result of a reload, for the log and for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The new configuration is in force. One line for each changed setting.
    Changed(Vec<String>),
    /// The new configuration has these problems; the old one stays in force.
    Refused(Vec<String>),
}

impl Reloader {
    /// Creates a reloader for a running proxy that was started with `loaded`.
    pub fn new(sources: ConfigInputs, in_force: InForce, tls: Option<Tls>, loaded: &Loaded) -> Self {
        let tls_files: Vec<PathBuf> =
            loaded.config.data.tls.iter().flat_map(|files| [files.cert.clone(), files.key.clone()]).collect();
        let print = Print::take(&sources, &tls_files);
        Self { sources, in_force, tls, tls_files, effective: loaded.effective.clone(), print }
    }

    /// Watches the signal and the files until the future is dropped.
    pub async fn watch(mut self) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "SIGHUP handler failed; configuration changes need a restart");
                return;
            }
        };
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.print.clone();
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => {
                    tracing::info!("SIGHUP received; reloading the configuration");
                    self.reload_and_log();
                    last = self.print.clone();
                }
                _ = ticks.tick() => {
                    let now = Print::take(&self.sources, &self.tls_files);
                    if now != self.print && now == last {
                        tracing::info!("configuration file changed; reloading the configuration");
                        self.reload_and_log();
                    }
                    last = now;
                }
            }
        }
    }

    fn reload_and_log(&mut self) {
        match self.reload() {
            Reloaded::Changed(changes) if changes.is_empty() => tracing::info!("configuration unchanged"),
            Reloaded::Changed(changes) => {
                for change in changes {
                    tracing::info!("configuration changed: {change}");
                }
                for line in self.in_force.run_time_limits() {
                    tracing::info!("run-time limit, which wins over the configuration: {line}");
                }
            }
            Reloaded::Refused(problems) => {
                for problem in &problems {
                    tracing::error!("configuration refused: {problem}");
                }
                tracing::error!(problems = problems.len(), "configuration refused; the previous one stays in force");
            }
        }
    }

    /// Reads the configuration and applies it if it is valid. Either way the files are not read again until they
    /// change.
    pub fn reload(&mut self) -> Reloaded {
        let reloaded = self.read_and_apply();
        self.in_force.reloaded(matches!(reloaded, Reloaded::Changed(_)));
        reloaded
    }

    fn read_and_apply(&mut self) -> Reloaded {
        let print = Print::take(&self.sources, &self.tls_files);
        let emptied = print.is_emptied_since(&self.print);
        self.print = print;
        if emptied {
            let problem = "the configuration file is empty and was not before; write it again or restart";
            return Reloaded::Refused(vec![problem.to_owned()]);
        }
        let loaded = match Config::load(&self.sources) {
            Ok(loaded) => loaded,
            Err(problems) => return Reloaded::Refused(problems.iter().map(ToString::to_string).collect()),
        };
        if let Some(Err(error)) = self.tls.as_ref().map(Tls::reload) {
            return Reloaded::Refused(vec![error.to_string()]);
        }
        if let Err(error) = self.in_force.replace(&loaded.config) {
            return Reloaded::Refused(vec![error.to_string()]);
        }
        for warning in &loaded.warnings {
            tracing::warn!("configuration warning: {warning}");
        }
        let changes = change::between(&self.effective, &loaded.effective);
        self.effective = loaded.effective;
        Reloaded::Changed(changes)
    }
}
