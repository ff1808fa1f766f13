//! What the API and the pages ask of the ledger and of the configuration, in the same words.

use serde::Deserialize;

use super::Operator;
use super::answer::ApiError;
use crate::config::Config;
use crate::identifiers::Policy;
use crate::identifiers::sources::Sources;
use crate::ledger::query::Mapping;
use crate::ledger::{Keeper, LedgerError, Reader};
use std::sync::Arc;

/// `?tenant=`: absent for any, empty for none.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct OfTenant {
    pub(super) tenant: Option<String>,
}

impl Operator {
    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.fixtures.proxy.snapshot().config)
    }

    /// The ledger, to be read.
    ///
    /// # Errors
    /// When it is off.
    pub(super) fn reader(&self) -> Result<&Reader, LedgerError> {
        self.fixtures.books.as_ref().map(|(reader, _)| reader).ok_or(LedgerError::Off)
    }

    /// The ledger, to be changed.
    ///
    /// # Errors
    /// When it is off.
    pub(super) fn keeper(&self) -> Result<&Keeper, LedgerError> {
        self.fixtures.books.as_ref().map(|(_, keeper)| keeper).ok_or(LedgerError::Off)
    }

    /// The one person of this id.
    ///
    /// # Errors
    /// When there is none, or one in each of several tenants.
    pub(super) async fn person(&self, user: &str, tenant: Option<&str>) -> Result<Mapping, ApiError> {
        let mut found = self.reader()?.mapping(user, tenant).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(ApiError::NoUser),
            (Some(person), true) => Ok(person),
            (Some(last), false) => {
                found.push(last);
                Err(ApiError::SeveralTenants(found.into_iter().map(|mapping| mapping.tenant).collect()))
            }
        }
    }
}

/// A tenant as queries take it: the empty name stands for none.
pub(super) fn tenant_of(mapping: &Mapping) -> &str {
    mapping.tenant.as_deref().unwrap_or_default()
}

/// What is said about this tenant's callers; a tenant that is known from the ledger alone (a pass-through key's, or one
/// that is no longer configured) has the operator's policy, as requests have it.
pub(super) fn policy<'c>(config: &'c Config, tenant: Option<&str>) -> &'c Policy {
    config.policy_of(tenant).unwrap_or(&config.identifiers)
}

/// A caller of whom nothing but the user is known.
pub(super) fn only_user<'a>(user: &'a str, tenant: Option<&'a str>) -> Sources<'a> {
    Sources { tenant, user: Some(user), ..Sources::default() }
}
