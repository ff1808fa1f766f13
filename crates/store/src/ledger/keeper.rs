//! Changes to written rows: costs that arrive late, and forgetting users.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::engine::{Purpose, Target};
use super::error::LedgerError;
use super::opening;
use super::query::{Forgotten, Price};
use super::settings::Settings;
use super::spill::Spill;
use super::store::Store;
use super::store::forget::Person;

/// Maximum wait for running processes to write their sums.
const COUNTING: Duration = Duration::from_secs(3);
/// Polling interval of that wait.
const LOOK: Duration = Duration::from_millis(50);

/// Write access to the ledger for administration, from any process. Cheap to clone; connects at the first use.
#[derive(Clone, Debug)]
pub struct Keeper {
    target: Target,
    spill: Option<Spill>,
    store: Arc<Mutex<Option<Store>>>,
}

impl Keeper {
    /// Returns access to the configured ledger without connecting.
    ///
    /// # Errors
    /// [`LedgerError::Off`] if no ledger is configured, or an error if the address is invalid.
    pub fn open(settings: &Settings) -> Result<Self, LedgerError> {
        let store = settings.store.as_ref().ok_or(LedgerError::Off)?;
        let spill = opening::directory(settings).map(|directory| Spill::new(directory, true));
        Ok(Self { target: Target::new(store)?, spill, store: Arc::default() })
    }

    /// Fills in the missing values of a row from a generation record and updates the sums. Known values do not change,
    /// so the call is idempotent. Returns true if anything was filled in. Does nothing while the request runs or
    /// within a second of its end.
    pub async fn price(&self, id: Uuid, price: &Price) -> Result<bool, LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let filled = store.price(id, price).await?;
        *place = Some(store);
        Ok(filled)
    }

    /// Erases a user: names, identifiers, sessions, chats, messages and generations in rows, sums and spill file, and
    /// the names of keys that only this user used. Sums stay without a name. `tenant` is `None` for a user without a
    /// tenant. A SQLite file is rewritten so that it does not contain the bytes any more; new rows go to the spill
    /// file meanwhile.
    pub async fn forget(&self, user: &str, tenant: Option<&str>) -> Result<Forgotten, LedgerError> {
        if user.is_empty() {
            return Ok(Forgotten::default());
        }
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let person = store.person(tenant.unwrap_or_default(), user).await?;
        let mut requests = store.forget_rows(&person).await?;
        requests += self.forget_spilled(&person)?;
        // Running processes buffer the latest second of sums, with names.
        let until = Instant::now() + COUNTING;
        while store.has_pending().await? && Instant::now() < until {
            sleep(LOOK).await;
        }
        let forgotten = store.forget_sums(&person).await?;
        // Erases rows that were written meanwhile.
        requests += store.forget_rows(&person).await?;
        store.scrub().await?;
        let until = Instant::now() + COUNTING;
        while !store.cut_log().await? {
            if Instant::now() >= until {
                let message = "somebody reads what it was before; forget again in a moment".to_owned();
                return Err(LedgerError::Query(message));
            }
            sleep(LOOK).await;
        }
        *place = Some(store);
        Ok(Forgotten { requests, ..forgotten })
    }

    fn forget_spilled(&self, person: &Person<'_>) -> Result<u64, LedgerError> {
        let Some(spill) = self.spill.as_ref().filter(|spill| !spill.is_empty()) else { return Ok(0) };
        let is_theirs = |row: &super::row::Row| {
            let names = &row.context.names;
            names.user.as_deref() == Some(person.user) && names.tenant.as_deref().unwrap_or_default() == person.tenant
        };
        spill
            .rewrite(|row| {
                let theirs = is_theirs(row);
                if theirs {
                    row.forget(person.keys.iter().any(|key| **key == *row.context.names.key));
                }
                theirs
            })
            .map_err(LedgerError::Spill)
    }

    /// Takes the connection, or opens one. The caller puts it back unless it had an error.
    async fn take(&self, place: &mut Option<Store>) -> Result<Store, LedgerError> {
        match place.take() {
            Some(store) => Ok(store),
            None => Store::open(self.target.clone(), Purpose::WriteDurably, "".into()).await,
        }
    }
}
