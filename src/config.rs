//! The configuration: defaults < TOML file < environment (contract, section 2).
//!
//! [`Config::load`] takes everything it reads as an argument ([`Sources`]); the library never looks at the process's
//! environment. Every setting is found in one table ([`settings`]), parsed alone, and all problems are reported at once.
//! [`Config`] is plain typed data; each concern's type says what its fields mean, in which unit, and what is refused.

mod archive;
mod body;
mod callers;
#[cfg(test)]
mod docs;
mod effective;
mod headers;
mod identifiers;
mod layers;
mod ledger;
mod limits;
mod ports;
mod problem;
mod process;
mod reader;
mod rules;
mod scope;
pub mod settings;
mod shedding;
mod stanza;
mod tenants;
mod upstream;
mod values;
mod warnings;

pub use archive::{Archive, Place};
pub use body::{Bodies, PromptCacheKey, ServerTools};
pub use callers::{APP_KEY_NAME, Callers, ClientSession, TokenIssuer};
pub use effective::Effective;
pub use headers::Headers;
pub use layers::{DEFAULTS_FILE, Sources};
pub use ledger::{Ledger, Mode, Store};
pub use limits::{Breaker, Limits, StoreDown};
pub use ports::{AdminPort, DataPort, TlsFiles};
pub use problem::{Problem, Problems, printable};
pub use process::{Drain, Log, LogFormat};
pub use shedding::Shedding;
pub use tenants::Tenant;
pub use upstream::Upstream;
pub use values::MIN_KEY_BYTES;

use crate::identifiers::Policy;
use layers::Layers;
use reader::{Reader, Recorded};

/// Everything that the operator decided, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port that apps connect to.
    pub data: DataPort,
    /// The operator's port.
    pub admin: AdminPort,
    /// Who is let in.
    pub callers: Callers,
    /// What is said about them.
    pub identifiers: Policy,
    /// The organisations that differ in what is said about them, and in who pays.
    pub tenants: Vec<Tenant>,
    /// What happens to bodies.
    pub bodies: Bodies,
    /// What happens to request headers.
    pub headers: Headers,
    /// Where requests go.
    pub upstream: Upstream,
    /// How much is carried at once.
    pub shedding: Shedding,
    /// What is written down of requests.
    pub ledger: Ledger,
    /// What is kept of requests whole, encrypted.
    pub archive: Archive,
    /// How much anybody may use.
    pub limits: Limits,
    /// What happens after SIGTERM.
    pub drain: Drain,
    /// What is logged.
    pub log: Log,
}

/// A tenant that is not configured.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no such tenant; configured are: {}", if .0.is_empty() { "none" } else { .0 })]
pub struct UnknownTenant(String);

/// A configuration that was read, and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the operator most likely did not mean, one line each; for the start of `serve` and for `check`.
    pub warnings: Vec<String>,
    /// Every setting with its source, for `callsign config`.
    pub effective: Vec<Effective>,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it. After [`Sources::serving`] that includes what [`Config::check_serving`] finds.
    pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
        let (mut problems, mut warnings) = (Problems::default(), Vec::new());
        let layers = Layers::read(sources, &mut problems, &mut warnings);
        let mut reader = Reader { layers: &layers, problems: &mut problems, warnings: &mut warnings };
        let draft = Draft::read(&mut reader);
        // What an unreadable file leaves out is not missing.
        if layers.complete {
            draft.check(&mut reader);
            if sources.is_serving() {
                draft.check_serving(&layers, &mut problems);
            }
        }
        problems.into_result_with(draft.finish().ok()).map(|config| Loaded {
            config,
            // They name what stands in files and variables.
            warnings: warnings.iter().map(|warning| printable(warning)).collect(),
            effective: effective::list(&layers),
        })
    }

    /// What is said about the callers of this tenant; of none, the operator's own.
    ///
    /// # Errors
    /// [`UnknownTenant`], which lists those that there are.
    pub fn policy_of(&self, tenant: Option<&str>) -> Result<&Policy, UnknownTenant> {
        let Some(name) = tenant else { return Ok(&self.identifiers) };
        let found = self.tenants.iter().find(|tenant| tenant.name == name);
        let names = || self.tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
        found.map(|tenant| &tenant.policy).ok_or_else(|| UnknownTenant(names()))
    }

    /// Whether anybody looks at answers on their way, for which they must not come compressed.
    pub fn reads_answers(&self) -> bool {
        self.ledger.store.is_some() || self.archive.place.is_some() || self.limits.reads_answers()
    }

    /// Checks what only serving needs: somebody who could be let in, and the key for the upstream. `serve --demo` and
    /// commands that answer from the configuration alone do without.
    ///
    /// # Errors
    /// Which variables are missing.
    pub fn check_serving(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let needs_key = self.callers.need_operator_key(&self.tenants);
        rules::serving(Some(&self.callers), needs_key, Some(&self.upstream), &mut problems);
        problems.into_result_with(Some(()))
    }
}

/// The concerns that could be read.
struct Draft {
    data: Result<DataPort, Recorded>,
    admin: Result<AdminPort, Recorded>,
    callers: Result<Callers, Recorded>,
    identifiers: Result<Policy, Recorded>,
    tenants: Result<Vec<tenants::Entry>, Recorded>,
    bodies: Result<Bodies, Recorded>,
    headers: Result<Headers, Recorded>,
    upstream: Result<Upstream, Recorded>,
    shedding: Result<Shedding, Recorded>,
    ledger: Result<Ledger, Recorded>,
    archive: Result<Archive, Recorded>,
    limits: Result<Limits, Recorded>,
    drain: Result<Drain, Recorded>,
    log: Result<Log, Recorded>,
}

impl Draft {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            data: DataPort::read(reader),
            admin: AdminPort::read(reader),
            callers: Callers::read(reader),
            identifiers: identifiers::read(reader),
            tenants: tenants::read(reader),
            bodies: Bodies::read(reader),
            headers: Headers::read(reader),
            upstream: Upstream::read(reader),
            shedding: Shedding::read(reader),
            ledger: Ledger::read(reader),
            archive: Archive::read(reader),
            limits: Limits::read(reader),
            drain: Drain::read(reader),
            log: Log::read(reader),
        }
    }

    /// The rules across those concerns that could be read.
    fn check(&self, reader: &mut Reader<'_>) {
        if let (Ok(data), Ok(admin)) = (&self.data, &self.admin) {
            rules::ports(data, admin, reader);
            if let Ok(upstream) = &self.upstream {
                rules::no_loop(data, admin, upstream, reader);
            }
        }
        if let (Ok(headers), Ok(callers)) = (&self.headers, &self.callers) {
            headers.check_identity(callers, reader);
        }
        if let (Ok(callers), Ok(upstream)) = (&self.callers, &self.upstream) {
            warnings::about_keys(callers, upstream, reader);
        }
        if let Ok(callers) = &self.callers {
            warnings::about_issuers(callers, reader);
        }
        let tenants = self.tenants.as_deref().unwrap_or_default();
        if let (Ok(callers), Ok(tenants)) = (&self.callers, &self.tenants) {
            tenants::check_names(callers, tenants, reader);
            warnings::about_tenants(callers, tenants, reader);
        }
        if let (Ok(limits), Ok(tenants)) = (&self.limits, &self.tenants) {
            limits.check(&tenants.iter().map(tenants::Entry::name).collect::<Vec<_>>(), reader);
        }
        if let Ok(policy) = &self.identifiers {
            for tenant in tenants {
                tenant.check(policy, reader);
            }
            if let Ok(archive) = &self.archive {
                archive.check(policy, tenants, reader);
            }
            let callers = self.callers.as_ref().ok();
            warnings::about_policies(policy, tenants, callers, reader);
        }
    }

    /// As [`Config::check_serving`], of what there is.
    fn check_serving(&self, layers: &Layers, problems: &mut Problems) {
        let needs_key = match (&self.callers, &self.tenants, &self.identifiers) {
            (Ok(callers), Ok(tenants), Ok(policy)) => {
                let tenants: Vec<_> = tenants.iter().map(|tenant| tenant.tenant(policy)).collect();
                callers.need_operator_key(&tenants)
            }
            (Ok(callers), ..) => callers.need_operator_key(&[]) && layers.tables("tenants").is_empty(),
            // A key that is refused was still meant to let somebody in.
            (Err(Recorded), ..) => {
                layers.get("user_keys").or(layers.get("app_key")).is_some()
                    || (!layers.tables("keys").is_empty() && layers.tables("tenants").is_empty())
            }
        };
        rules::serving(self.callers.as_ref().ok(), needs_key, self.upstream.as_ref().ok(), problems);
    }

    fn finish(self) -> Result<Config, Recorded> {
        let (identifiers, tenants) = (self.identifiers?, self.tenants?);
        Ok(Config {
            data: self.data?,
            admin: self.admin?,
            callers: self.callers?,
            tenants: tenants.iter().map(|tenant| tenant.tenant(&identifiers)).collect(),
            identifiers,
            bodies: self.bodies?,
            headers: self.headers?,
            upstream: self.upstream?,
            shedding: self.shedding?,
            ledger: self.ledger?,
            archive: self.archive?,
            limits: self.limits?,
            drain: self.drain?,
            log: self.log?,
        })
    }
}

#[cfg(test)]
mod tests;
