//! Changes to written rows: costs that arrive late, and forgetting users.

use std::sync::Arc;

use callsign_core::request_id::RequestId;
use tokio::sync::Mutex;

use super::engine::{Purpose, Target};
use super::error::LedgerError;
use super::opening;
use super::query::{Forgotten, Price, Repair};
use super::record::RequestLabels;
use super::settings::Settings;
use super::spill::Spill;
use super::store::Store;
use super::store::late_cost::Late;

/// Write access to the ledger for administration, from any process. Cheap to clone; connects at the first use.
#[derive(Clone, Debug)]
pub struct Keeper {
    target: Target,
    spill: Option<Arc<Mutex<Spill>>>,
    store: Arc<Mutex<Option<Store>>>,
}

impl Keeper {
    /// Returns access to the configured ledger without connecting.
    ///
    /// # Errors
    /// [`LedgerError::Off`] if no ledger is configured, or an error if the address is invalid.
    pub fn open(settings: &Settings) -> Result<Self, LedgerError> {
        let store = settings.store.as_ref().ok_or(LedgerError::Off)?;
        let spill = opening::directory(settings).map(Spill::patient);
        let spill = spill.map(|spill| Arc::new(Mutex::new(spill)));
        Ok(Self { target: Target::new(store)?, spill, store: Arc::default() })
    }

    /// Fills in the missing values of a row whose cost is pending, and updates the sums. Returns true if anything was
    /// filled in; a second call changes nothing.
    pub async fn price(&self, id: RequestId, price: &Price) -> Result<bool, LedgerError> {
        self.late(id, &Late::Price(price)).await
    }

    /// Notes that the pending cost of a row can never be found. Returns false if it is not pending.
    pub async fn never(&self, id: RequestId) -> Result<bool, LedgerError> {
        self.late(id, &Late::Never).await
    }

    async fn late(&self, id: RequestId, late: &Late<'_>) -> Result<bool, LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let changed = store.late(id, late).await?;
        *place = Some(store);
        Ok(changed)
    }

    /// Reserves `count` look-ups of generation records in the pace that all nodes share. Returns the time until the first
    /// one and the time between two of them, in microseconds.
    pub async fn reserve_lookups(&self, count: u32) -> Result<(i64, i64), LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let reserved = store.reserve_lookups(i64::from(count)).await?;
        *place = Some(store);
        Ok(reserved)
    }

    /// Sets the time between two look-ups of all nodes, in microseconds.
    pub async fn set_lookup_gap(&self, gap_us: i64) -> Result<(), LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        store.set_lookup_gap(gap_us).await?;
        *place = Some(store);
        Ok(())
    }

    /// Erases a user: names, identifiers, sessions, chats, messages and generations in rows, sums and spill file, and
    /// the names of keys that only this user used. Sums stay without a name. `tenant` is `None` for a user without a
    /// tenant. A SQLite file is rewritten so that it does not contain the bytes any more; new rows go to the spill
    /// file meanwhile. Requests in flight keep their names until they end.
    pub async fn forget(&self, user: &str, tenant: Option<&str>) -> Result<Forgotten, LedgerError> {
        if user.is_empty() {
            return Ok(Forgotten::default());
        }
        let tenant = tenant.unwrap_or_default();
        let mut spill = match &self.spill {
            Some(spill) => Some(spill.lock().await),
            None => None,
        };
        let spilled = match &mut spill {
            Some(spill) => spill.keys_of(tenant, user).await?,
            None => Vec::new(),
        };
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let person = store.person(tenant, user, spilled).await?;
        let mut requests = 0;
        if let Some(spill) = &mut spill {
            requests += spill.forget(&person).await?;
        }
        requests += store.forget_rows(&person).await?;
        let forgotten = store.forget_sums(&person).await?;
        store.scrub().await?;
        store.cut_log().await?;
        *place = Some(store);
        Ok(Forgotten { requests: requests + forgotten.requests, ..forgotten })
    }

    /// Gives a rejected row its caller back.
    pub async fn repair(&self, id: RequestId, caller: &RequestLabels) -> Result<Repair, LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let repair = store.repair(id, caller).await?;
        *place = Some(store);
        Ok(repair)
    }

    /// Deletes the note about one rejected row, or about all. Returns the number of notes.
    pub async fn drop_rejected(&self, id: Option<RequestId>) -> Result<u64, LedgerError> {
        let mut place = self.store.lock().await;
        let mut store = self.take(&mut place).await?;
        let dropped = store.drop_rejected(id).await?;
        *place = Some(store);
        Ok(dropped)
    }

    /// Takes the connection, or opens one. The caller puts it back unless it had an error.
    async fn take(&self, place: &mut Option<Store>) -> Result<Store, LedgerError> {
        match place.take() {
            Some(store) => Ok(store),
            None => Store::open(self.target.clone(), Purpose::WriteDurably, "".into()).await,
        }
    }
}
