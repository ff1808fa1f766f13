//! Changes to what has been written down already: costs that came late, persons that are to be forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::engine::{Purpose, Target};
use super::error::LedgerError;
use super::opening;
use super::query::{Forgotten, Price};
use super::spill::Spill;
use super::store::{Person, Store};
use crate::config;

/// How long a running callsign may take to count what it has in memory.
const COUNTING: Duration = Duration::from_secs(3);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The ledger, to be changed by its operator, from this or another process. Cheap to clone; connects when first asked.
#[derive(Clone, Debug)]
pub struct Keeper {
    target: Target,
    spill: Option<Spill>,
    store: Arc<Mutex<Option<Store>>>,
}

impl Keeper {
    /// A keeper of the configured ledger. Nothing is connected yet.
    ///
    /// # Errors
    /// [`LedgerError::Off`], or an address that cannot be used.
    pub fn open(settings: &config::Ledger) -> Result<Self, LedgerError> {
        let store = settings.store.as_ref().ok_or(LedgerError::Off)?;
        let spill = opening::directory(settings).map(|directory| Spill::new(directory, true));
        Ok(Self { target: Target::new(store)?, spill, store: Arc::default() })
    }

    /// Fills in what a generation record says; sums follow. Nothing that is known already is changed, so that it can be
    /// said twice. Returns whether anything was filled in: not while the request runs, nor in its first second after.
    pub async fn price(&self, id: Uuid, price: &Price) -> Result<bool, LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let filled = store.price(id, price).await?;
        *place = Some(store);
        Ok(filled)
    }

    /// Erases a person: names, identifiers, sessions, chats, messages, generations, in rows, sums and spill file, and the
    /// names of keys that nobody else used. The sums stay, under no name. Without `tenant`: the user of no tenant. The
    /// bytes are gone from a SQLite file, too; it is written anew for that, while rows wait in the spill file.
    pub async fn forget(&self, user: &str, tenant: Option<&str>) -> Result<Forgotten, LedgerError> {
        if user.is_empty() {
            return Ok(Forgotten::default());
        }
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let person = store.person(tenant.unwrap_or_default(), user).await?;
        let mut requests = store.forget_rows(&person).await?;
        requests += self.forget_spilled(&person)?;
        // A running callsign holds the latest second in memory, with names.
        let until = Instant::now() + COUNTING;
        while store.has_pending().await? && Instant::now() < until {
            sleep(LOOK).await;
        }
        let forgotten = store.forget_sums(&person).await?;
        // Rows that were on their way meanwhile.
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

    /// The connection; put back by whoever had no error with it.
    async fn take(&self, place: &mut Option<Store>) -> Result<Store, LedgerError> {
        match place.take() {
            Some(store) => Ok(store),
            None => Store::open(self.target.clone(), Purpose::WriteDurably, "".into()).await,
        }
    }
}
