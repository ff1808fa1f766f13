//! Tenants: organisations whose callers share one callsign.

use crate::identity::Policy;
use crate::secret::Secret;
use crate::usage::markup::Markup;

/// A configured tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The name, used by keys, issuers and `{tenant}`.
    pub name: String,
    /// The tenant's OpenRouter key; `None` to use the operator's.
    pub api_key: Option<Secret>,
    /// The settings for identifiers of its callers.
    pub policy: Policy,
    /// True if its callers' requests are archived; `None` if the tenant does not set it.
    pub archive: Option<bool>,
    /// The factor from OpenRouter's cost to the charged price.
    pub markup: Markup,
    /// The place in the configuration, for messages.
    pub source: String,
}

/// A tenant that is not configured.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown tenant; configured tenants: {}", if .0.is_empty() { "none" } else { .0 })]
pub struct UnknownTenantError(pub String);

/// The operator's policy and the tenants.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// The policy for callers without a tenant. Tenants inherit what they do not set.
    pub operator: Policy,
    /// The configured tenants, in the order of the configuration.
    pub list: Vec<Tenant>,
}

impl Tenants {
    /// Returns the policy for the callers of `tenant`; `None` stands for the operator's own callers.
    ///
    /// # Errors
    /// [`UnknownTenantError`] names the configured tenants.
    pub fn policy_of(&self, tenant: Option<&str>) -> Result<&Policy, UnknownTenantError> {
        let Some(name) = tenant else { return Ok(&self.operator) };
        let found = self.list.iter().find(|tenant| tenant.name == name);
        let names = || self.list.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
        found.map(|tenant| &tenant.policy).ok_or_else(|| UnknownTenantError(names()))
    }

    /// Returns the policy for the callers of `tenant`, or the operator's if no such tenant is configured. Pass-through
    /// keys get the operator's policy, because their namespaces are not configured tenants.
    pub fn policy_or_operator(&self, tenant: Option<&str>) -> &Policy {
        self.policy_of(tenant).unwrap_or(&self.operator)
    }

    /// Iterates over every policy with its tenant's name, the operator's first.
    pub fn policies(&self) -> impl Iterator<Item = (Option<&str>, &Policy)> {
        let tenants = self.list.iter().map(|tenant| (Some(tenant.name.as_str()), &tenant.policy));
        std::iter::once((None, &self.operator)).chain(tenants)
    }
}
