//! Changes to what has been written down already: costs that came late, persons that are to be forgotten.

use uuid::Uuid;

use super::error::LedgerError;
use super::query::{Forgotten, Price};
use crate::config;

/// The ledger, to be changed by its operator, from this or another process. Cheap to clone; connects when first asked.
#[derive(Clone, Debug)]
pub struct Keeper;

impl Keeper {
    /// A keeper of the configured ledger. Nothing is connected yet.
    ///
    /// # Errors
    /// [`LedgerError::Off`], or an address that cannot be used.
    pub fn open(settings: &config::Ledger) -> Result<Self, LedgerError> {
        let _ = settings;
        Err(LedgerError::Off)
    }

    /// Fills in what a generation record says; sums follow. Nothing that is known already is changed, so that it can be
    /// said twice. Returns whether anything was filled in.
    pub async fn price(&self, id: Uuid, price: &Price) -> Result<bool, LedgerError> {
        let _ = (id, price);
        Ok(false)
    }

    /// Erases a person: names, identifiers, sessions, chats, messages, generations, in rows, roll-ups and spill file. The
    /// sums stay, under no name. Without `tenant`: the user of no tenant.
    pub async fn forget(&self, user: &str, tenant: Option<&str>) -> Result<Forgotten, LedgerError> {
        let _ = (user, tenant);
        Ok(Forgotten::default())
    }
}
