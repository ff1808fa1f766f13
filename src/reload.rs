//! Live configuration: takes a changed configuration into force while requests run (contract, section 2).
//!
//! SIGHUP reloads at once. A changed file reloads when two reads a second apart agree, so that a file that is being
//! written, or a Kubernetes volume that swaps its symlinks, is never taken half. A reload is one exchange of the whole
//! snapshot: a request sees the old one or the new one from its beginning to its end, running streams are not touched, and
//! whatever is invalid leaves the old one in force. Listeners, logs and the drain are fixed at start.

mod change;
mod files;

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, Effective, Loaded, Sources};
use crate::proxy::Proxy;
use crate::server::Tls;
use files::Print;

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(1);

/// What is needed to reload.
#[derive(Debug)]
pub struct Reloader {
    sources: Sources,
    proxy: Proxy,
    tls: Option<Tls>,
    tls_files: Vec<PathBuf>,
    /// The settings in force, for the difference.
    effective: Vec<Effective>,
    /// What the files held when the configuration in force was read.
    print: Print,
}

/// How an attempt ended; for the log and for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The new configuration is in force; these settings differ, one line each.
    Changed(Vec<String>),
    /// It is refused with these problems, and the old one stays.
    Refused(Vec<String>),
}

impl Reloader {
    /// A reloader for a running proxy; `loaded` is what it was started with.
    pub fn new(sources: Sources, proxy: Proxy, tls: Option<Tls>, loaded: &Loaded) -> Self {
        let tls_files: Vec<PathBuf> =
            loaded.config.data.tls.iter().flat_map(|files| [files.cert.clone(), files.key.clone()]).collect();
        let print = Print::take(&sources, &tls_files);
        Self { sources, proxy, tls, tls_files, effective: loaded.effective.clone(), print }
    }

    /// Watches signal and files until the future is dropped.
    pub async fn watch(mut self) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "SIGHUP cannot be caught; changes of the configuration need a restart");
                return;
            }
        };
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.print.clone();
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => {
                    tracing::info!("SIGHUP: reloading the configuration");
                    self.reload_and_tell();
                    last = self.print.clone();
                }
                _ = ticks.tick() => {
                    let now = Print::take(&self.sources, &self.tls_files);
                    if now != self.print && now == last {
                        tracing::info!("a file of the configuration changed: reloading");
                        self.reload_and_tell();
                    }
                    last = now;
                }
            }
        }
    }

    fn reload_and_tell(&mut self) {
        match self.reload() {
            Reloaded::Changed(changes) if changes.is_empty() => tracing::info!("nothing in the configuration changed"),
            Reloaded::Changed(changes) => {
                for change in changes {
                    tracing::info!("configuration: {change}");
                }
            }
            Reloaded::Refused(problems) => {
                for problem in &problems {
                    tracing::error!("configuration refused: {problem}");
                }
                tracing::error!(problems = problems.len(), "the configuration that was in force stays in force");
            }
        }
    }

    /// Reads the configuration and takes it into force if it is valid. Whatever comes of it, the same files are not tried
    /// again until they change.
    pub fn reload(&mut self) -> Reloaded {
        let print = Print::take(&self.sources, &self.tls_files);
        let emptied = print.is_emptied_since(&self.print);
        self.print = print;
        if emptied {
            return Reloaded::Refused(vec!["the configuration file is suddenly empty".to_owned()]);
        }
        let loaded = match Config::load(&self.sources) {
            Ok(loaded) => loaded,
            Err(problems) => return Reloaded::Refused(problems.iter().map(ToString::to_string).collect()),
        };
        if let Some(Err(error)) = self.tls.as_ref().map(Tls::reload) {
            return Reloaded::Refused(vec![error.to_string()]);
        }
        if let Err(error) = self.proxy.renew(&loaded.config) {
            return Reloaded::Refused(vec![error.to_string()]);
        }
        for warning in &loaded.warnings {
            tracing::warn!("configuration: {warning}");
        }
        let changes = change::between(&self.effective, &loaded.effective);
        self.effective = loaded.effective;
        Reloaded::Changed(changes)
    }
}
