//! Erases a user from ledger and archive, for the API and the console (docs/SPEC.md#forget).

use crate::answer::ApiError;
use crate::operator::Operator;
use callsign_store::archive;
use callsign_store::ledger::LedgerError;
use callsign_store::ledger::query::Forgotten;
use callsign_store::limits::acts::{Act, Verb};
use callsign_store::limits::operator_state::acts::Names;

/// The result of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erased {
    pub(crate) tenant: Option<String>,
    /// Rows of the ledger whose names were erased.
    pub(crate) requests: u64,
    /// Identifiers that were deleted.
    pub(crate) identifiers: u64,
    /// Archives that were deleted.
    pub(crate) archives: u64,
    /// Archives that cannot be read and are kept.
    pub(crate) unreadable: u64,
}

impl Operator {
    /// Erases a user: records the act, then erases the archive, then the ledger. If the archive fails, the ledger still
    /// knows the user, and the operator can try again. `by` is the operator.
    ///
    /// # Errors
    /// [`ApiError::NoUser`] if neither ledger nor archive has the user, [`ApiError::SeveralTenants`], or the error of
    /// ledger or archive.
    pub(crate) async fn forget(&self, user: &str, tenant: Option<&str>, by: &str) -> Result<Erased, ApiError> {
        let place = self.deps.archive.as_ref();
        let (tenant, is_known) = match self.person(user, tenant).await {
            Ok(person) => (person.tenant, true),
            // The archive may contain users that the ledger does not know.
            Err(ApiError::NoUser | ApiError::Ledger(LedgerError::Off)) if place.is_some() => {
                (tenant.filter(|tenant| !tenant.is_empty()).map(str::to_owned), false)
            }
            Err(error) => return Err(error),
        };
        let names = match self.reader() {
            Ok(reader) if is_known => reader.names_of(user, Some(tenant.as_deref().unwrap_or_default())).await?,
            _ => vec![user.to_owned()],
        };
        let act = Act::new(Verb::Forget, by, user, Some(tenant.as_deref().unwrap_or_default()), None);
        self.deps.limiter.operator_state().forget(Names { all: &names, tenant: tenant.as_deref() }, &act);
        let from_archive = match place {
            Some(place) => archive::forget_person(place, tenant.as_deref(), user).await?,
            None => archive::Forgotten::default(),
        };
        if !is_known && from_archive.removed == 0 {
            return Err(ApiError::NoUser);
        }
        let forgotten = match self.keeper() {
            Ok(keeper) if is_known => keeper.forget(user, tenant.as_deref()).await?,
            _ => Forgotten::default(),
        };
        let Forgotten { requests, identifiers } = forgotten;
        let archive::Forgotten { removed: archives, unreadable } = from_archive;
        tracing::info!(requests, identifiers, archives, "admin: forgot a user");
        if unreadable > 0 {
            tracing::warn!(unreadable, "admin: could not decrypt all archives; some may belong to the forgotten user");
        }
        Ok(Erased { tenant, requests, identifiers, archives, unreadable })
    }
}
