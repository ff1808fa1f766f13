//! The parts of the configuration in force that the console shows.

use crate::roles::AdminToken;
use callsign_core::auth::settings::Callers;
use callsign_core::tenant::Tenants;
use callsign_store::limits::Rules;
use callsign_store::limits::orders::key::Configured;
use callsign_store::org_ids::OrgIds;
use callsign_store::person::Person;
use callsign_store::whois::Scope;

/// A read-only view of the configuration in force. It contains no setting of the console itself.
#[derive(Clone, Debug)]
pub struct View {
    /// Keys, issuers and pass-through.
    pub callers: Callers,
    /// The policies.
    pub tenants: Tenants,
    /// The ids of the operator's accounts at OpenRouter.
    pub org_ids: OrgIds,
    /// The limits and blocks of the configuration.
    pub rules: Rules,
    /// The users that the configuration names.
    pub people: Vec<Person>,
    /// The named tokens of the admin port.
    pub admin_tokens: Vec<AdminToken>,
    /// True if the operator has an OpenRouter key.
    pub operator_pays: bool,
    /// True if the data port uses TLS.
    pub tls: bool,
    /// `CALLSIGN_MAX_BODY_BYTES`.
    pub max_body_bytes: u64,
}

impl View {
    /// Returns what keys in the database must fit.
    pub fn configured(&self) -> Configured<'_> {
        Configured { callers: &self.callers, tenants: &self.tenants, operator_pays: self.operator_pays }
    }

    /// Returns what `whois` looks an identifier up in.
    pub fn whois_scope(&self) -> Scope<'_> {
        Scope { tenants: &self.tenants, org_ids: &self.org_ids }
    }
}
