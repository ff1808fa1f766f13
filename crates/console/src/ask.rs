//! Queries to ledger and configuration that the API and the console share.

use super::answer::ApiError;
use super::operator::Operator;
use super::parameters::{FromParameters, Parameters};
use super::view::View;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_store::ledger::query::Mapping;
use callsign_store::ledger::{Keeper, LedgerError, Reader};
use std::sync::Arc;

/// The query parameter `tenant`: absent selects users of any tenant, empty those without a tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct OfTenant {
    pub(super) tenant: Option<String>,
}

impl FromParameters for OfTenant {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { tenant: parameters.text("tenant")? })
    }
}

impl Operator {
    /// Returns the configuration in force.
    pub(super) fn view(&self) -> Arc<View> {
        self.deps.view.load_full()
    }

    /// Returns read access to the ledger.
    ///
    /// # Errors
    /// [`LedgerError::Off`] if the ledger is off.
    pub(super) fn reader(&self) -> Result<&Reader, LedgerError> {
        self.deps.ledger_access.as_ref().map(|(reader, _)| reader).ok_or(LedgerError::Off)
    }

    /// Returns access for forgetting users.
    ///
    /// # Errors
    /// [`LedgerError::Off`] if the ledger is off.
    pub(super) fn keeper(&self) -> Result<&Keeper, LedgerError> {
        self.deps.ledger_access.as_ref().map(|(_, keeper)| keeper).ok_or(LedgerError::Off)
    }

    /// Finds the user with this id.
    ///
    /// # Errors
    /// [`ApiError::NoUser`] if there is none, [`ApiError::SeveralTenants`] if several tenants have one, or the ledger's
    /// error.
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

/// Returns the tenant as the query parameter `tenant` takes it: empty for none.
pub(super) fn tenant_of(mapping: &Mapping) -> &str {
    mapping.tenant.as_deref().unwrap_or_default()
}

/// Returns the identity of a caller with a user id and no other ids.
pub(super) fn only_user<'a>(user: &'a str, tenant: Option<&'a str>) -> CallerIdentity<'a> {
    CallerIdentity { tenant, user: Some(user), ..CallerIdentity::default() }
}
