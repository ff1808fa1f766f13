//! The configuration: environment variables override the TOML file, which overrides the defaults
//! (`docs/SPEC.md#layers`).
//!
//! [`Config::load`] reads only its argument ([`ConfigInputs`]), not the process's environment. Every setting is a row
//! of one table ([`settings`]) and is parsed by the file of its concern. All problems are reported at once. [`Config`]
//! is plain typed data.

pub(crate) mod admin_issuers;
mod admin_tokens;
mod alerts;
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
mod table_reader;
mod tenants;
mod upstream;
mod values;
mod warnings;

use alerts::Alerts;
pub use archive::load_place;
pub(crate) use archive::zip_password;
use callsign_core::visible::printable;
pub use effective::Effective;
pub use layers::{ConfigInputs, DEFAULTS_FILE};
pub use ports::{AdminPort, DataPort, TlsFiles};
pub use problem::{Problem, Problems};
pub use process::{Drain, Log};
pub use values::MIN_KEY_BYTES;

use callsign_console::View;
use callsign_core::auth::key::Grant;
use callsign_core::auth::settings::Callers;
use callsign_core::identity::Policy;
use callsign_core::identity::row_seal::RowSeal;
use callsign_core::tenant::Tenants;
use callsign_gateway::proxy::settings::{Bodies, Headers, ServerTools, Settings as ProxySettings};
use callsign_gateway::{shed, upstream as to_upstream};
use callsign_store::limits::Rules;
use callsign_store::org_ids::OrgIds;
use callsign_store::person::Person;
use callsign_store::whois::Scope;
use callsign_store::{archive as archive_store, ledger as ledger_store, limits as limits_store};
use layers::Layers;
use reader::{Reader, Reported};

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data port, which apps connect to.
    pub data: DataPort,
    /// The admin port.
    pub admin: AdminPort,
    /// The keys, token issuers and presets by which callers authenticate.
    pub callers: Callers,
    /// The tenants, each with its own valves, formats and OpenRouter key.
    pub tenants: Tenants,
    /// Sizes and treatment of request and response bodies.
    pub bodies: Bodies,
    /// Request headers to forward and to set.
    pub headers: Headers,
    /// URL, credentials and timeouts of the upstream.
    pub upstream: to_upstream::settings::Settings,
    /// The ids of the operator's accounts at OpenRouter: `OPENROUTER_ORG_ID`, else what was found so far.
    pub org_ids: OrgIds,
    /// Limits on connections and requests in flight.
    pub shedding: shed::Settings,
    /// Database, mode and retention of the ledger.
    pub ledger: ledger_store::settings::Settings,
    /// True if `serve` looks up costs that did not arrive.
    pub reconcile: bool,
    /// Directory, password and selection of the archive.
    pub archive: archive_store::settings::Settings,
    /// Usage limits and configured blocks.
    pub limits: limits_store::settings::Settings,
    /// The webhook that is told of problems.
    pub alerts: Alerts,
    /// Timing of the shutdown after SIGTERM.
    pub drain: Drain,
    /// Filter and format of the log.
    pub log: Log,
}

/// A loaded configuration with its warnings and the source of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Valid settings that are probably mistakes, one line each. `serve` and `check` print them.
    pub warnings: Vec<String>,
    /// Every setting with its source, for `callsign config`.
    pub effective: Vec<Effective>,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// All problems. After [`ConfigInputs::serving`] that includes those of [`Config::check_serving`].
    pub fn load(sources: &ConfigInputs) -> Result<Loaded, Problems> {
        let (mut problems, mut warnings) = (Problems::default(), Vec::new());
        let layers = Layers::read(sources, &mut problems, &mut warnings);
        let mut reader = Reader { layers: &layers, problems: &mut problems, warnings: &mut warnings };
        let draft = Draft::read(&mut reader);
        // A setting that seems missing may be in a file that could not be read.
        if layers.complete {
            draft.check(&mut reader);
            if sources.is_serving() {
                draft.check_serving(&layers, &mut problems);
            }
        }
        problems.into_result_with(draft.finish().ok()).map(|config| Loaded {
            config,
            // Warnings contain names from files and variables.
            warnings: warnings.iter().map(|warning| printable(warning)).collect(),
            effective: effective::list(&layers),
        })
    }

    /// Returns the part that the request path works by.
    pub fn proxy(&self) -> ProxySettings {
        ProxySettings {
            callers: self.callers.clone(),
            tenants: self.tenants.clone(),
            upstream: self.upstream.clone(),
            bodies: self.bodies.clone(),
            headers: self.headers.clone(),
            cors_origins: self.data.cors_origins.clone(),
            archive: self.archive.clone(),
            limits: self.limits.clone(),
            has_ledger: self.ledger.store.is_some(),
            has_operator_state: self.ledger.data_dir.is_some() || self.limits.store.is_some(),
        }
    }

    /// Returns what `whois` looks an identifier up in.
    pub fn whois_scope(&self) -> Scope<'_> {
        Scope { tenants: &self.tenants, org_ids: &self.org_ids }
    }

    /// Returns the part that the console shows.
    pub fn view(&self) -> View {
        View {
            callers: self.callers.clone(),
            tenants: self.tenants.clone(),
            org_ids: self.org_ids.clone(),
            rules: Rules::new(&self.limits),
            people: self.named_people(),
            admin_tokens: self.admin.tokens.clone(),
            operator_pays: self.upstream.api_key.is_some(),
            tls: self.data.tls.is_some(),
            max_body_bytes: self.bodies.max_bytes,
        }
    }

    /// Returns the users that `[[users]]` and personal keys name. They count as seen.
    pub fn named_people(&self) -> Vec<Person> {
        let users = self.limits.named_users.iter().cloned().map(|(tenant, user)| Person { tenant, user });
        let of_keys = self.callers.keys.iter().filter_map(|key| match &key.grant {
            Grant::User(user) => Some(Person { tenant: key.tenant.clone(), user: user.clone() }),
            Grant::Preset(_) | Grant::Signed(_) => None,
        });
        users.chain(of_keys).collect()
    }

    /// Checks what only serving needs: at least one caller, and the OpenRouter key. `serve --demo` and commands that
    /// only read the configuration skip this check.
    ///
    /// # Errors
    /// One problem for each missing setting.
    pub fn check_serving(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let needs_key = self.callers.need_operator_key(&self.tenants.list);
        let has_stored_keys = has_stored_keys(&self.ledger, &self.limits, &self.tenants.operator);
        rules::serving(Some(&self.callers), has_stored_keys, needs_key, Some(&self.upstream), &mut problems);
        problems.into_result_with(Some(()))
    }
}

/// The parsed concerns. A failed one has reported its problems.
struct Draft {
    data: Result<DataPort, Reported>,
    admin: Result<AdminPort, Reported>,
    callers: Result<Callers, Reported>,
    identifiers: Result<Policy, Reported>,
    tenants: Result<Vec<tenants::Entry>, Reported>,
    bodies: Result<Bodies, Reported>,
    headers: Result<Headers, Reported>,
    upstream: Result<to_upstream::settings::Settings, Reported>,
    shedding: Result<shed::Settings, Reported>,
    ledger: Result<ledger_store::settings::Settings, Reported>,
    reconcile: Result<bool, Reported>,
    archive: Result<archive_store::settings::Settings, Reported>,
    limits: Result<limits_store::settings::Settings, Reported>,
    alerts: Result<Alerts, Reported>,
    drain: Result<Drain, Reported>,
    log: Result<Log, Reported>,
}

impl Draft {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            data: DataPort::read(reader),
            admin: AdminPort::read(reader),
            callers: callers::read(reader),
            identifiers: identifiers::read(reader),
            tenants: tenants::read(reader),
            bodies: body::read(reader),
            headers: headers::read(reader),
            upstream: upstream::read(reader),
            shedding: shedding::read(reader),
            ledger: ledger::read(reader),
            reconcile: reader.required("ledger.reconcile", values::switch),
            archive: archive::read(reader),
            limits: limits::read(reader),
            alerts: Alerts::read(reader),
            drain: Drain::read(reader),
            log: Log::read(reader),
        }
    }

    /// Checks the rules between concerns, as far as they were parsed.
    fn check(&self, reader: &mut Reader<'_>) {
        if let (Ok(data), Ok(admin)) = (&self.data, &self.admin) {
            rules::ports(data, admin, reader);
            if let Ok(upstream) = &self.upstream {
                rules::no_loop(data, admin, upstream, reader);
            }
        }
        if let (Ok(admin), Ok(callers)) = (&self.admin, &self.callers) {
            admin_issuers::check_callers(&admin.issuers, callers, reader);
        }
        if let (Ok(headers), Ok(callers)) = (&self.headers, &self.callers) {
            headers::check_identity(headers, callers, reader);
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
            limits::check(limits, &tenants.iter().map(tenants::Entry::name).collect::<Vec<_>>(), reader);
        }
        if let Ok(policy) = &self.identifiers {
            for tenant in tenants {
                tenant.check(policy, reader);
            }
            if let Ok(archive) = &self.archive {
                archive::check(archive, policy, tenants, reader);
            }
            let callers = self.callers.as_ref().ok();
            warnings::about_policies(policy, tenants, callers, reader);
            if let Ok(bodies) = &self.bodies {
                rules::containers(bodies, policy, tenants, reader);
            }
        }
    }

    /// Does what [`Config::check_serving`] does, as far as the concerns were parsed.
    fn check_serving(&self, layers: &Layers, problems: &mut Problems) {
        let needs_key = match (&self.callers, &self.tenants, &self.identifiers) {
            (Ok(callers), Ok(tenants), Ok(policy)) => {
                let tenants: Vec<_> = tenants.iter().map(|tenant| tenant.tenant(policy)).collect();
                callers.need_operator_key(&tenants)
            }
            (Ok(callers), ..) => callers.need_operator_key(&[]) && layers.tables("tenants").is_empty(),
            // A key with a problem still counts as a configured caller.
            (Err(Reported), ..) => {
                layers.get("user_keys").or(layers.get("app_key")).is_some()
                    || (!layers.tables("keys").is_empty() && layers.tables("tenants").is_empty())
            }
        };
        let has_stored_keys = match (&self.ledger, &self.limits, &self.identifiers) {
            (Ok(ledger), Ok(limits), Ok(policy)) => has_stored_keys(ledger, limits, policy),
            _ => true,
        };
        rules::serving(self.callers.as_ref().ok(), has_stored_keys, needs_key, self.upstream.as_ref().ok(), problems);
    }

    fn finish(self) -> Result<Config, Reported> {
        let (mut identifiers, tenants, bodies) = (self.identifiers?, self.tenants?, self.bodies?);
        identifiers.container_keys = bodies.server_tools == ServerTools::Allow;
        let upstream = self.upstream?;
        let mut limits = self.limits?;
        limits.key_seal = identifiers.secret.as_ref().map(RowSeal::of_keys);
        let org_ids = upstream.org_id.iter().cloned().collect();
        Ok(Config {
            data: self.data?,
            admin: self.admin?,
            callers: self.callers?,
            tenants: Tenants {
                list: tenants.iter().map(|tenant| tenant.tenant(&identifiers)).collect(),
                operator: identifiers,
            },
            bodies,
            headers: self.headers?,
            org_ids,
            upstream,
            shedding: self.shedding?,
            ledger: self.ledger?,
            reconcile: self.reconcile?,
            archive: self.archive?,
            limits,
            alerts: self.alerts?,
            drain: self.drain?,
            log: self.log?,
        })
    }
}

/// Returns true if keys can be in the database: there is a secret that seals them, and a place that was chosen for them.
fn has_stored_keys(
    ledger: &ledger_store::settings::Settings,
    limits: &limits_store::settings::Settings,
    policy: &Policy,
) -> bool {
    let is_shared = matches!(ledger.store, Some(ledger_store::settings::Store::Postgres(_))) || limits.store.is_some();
    policy.secret.is_some() && (is_shared || ledger.data_dir_set)
}

#[cfg(test)]
mod tests;
