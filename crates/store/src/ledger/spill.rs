//! The spill file `ledger-spill.db`, which receives rows while the database is unavailable. It is a SQLite database with
//! the ledger's own tables. Processes with the same data directory share it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::engine::{Purpose, Target};
use super::error::{LedgerError, reason};
use super::row::Row;
use super::store::Store;
use super::store::forget::Person;

/// Maximum time of one access by the writer in `strict` mode, where responses wait for it.
const STRICT_BOUND: Duration = Duration::from_millis(700);
/// The same in `fast` mode. Meanwhile rows wait in the queue, which is bounded in bytes.
const BOUND: Duration = Duration::from_secs(5);
/// Maximum time of one access by a command.
const PATIENT: Duration = Duration::from_secs(10);

/// The spill file of a data directory. It is opened at the first use.
#[derive(Debug)]
pub(super) struct Spill {
    path: PathBuf,
    purpose: Purpose,
    store: Option<Store>,
    bound: Duration,
}

/// Returns the path of the spill file of a directory.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join("ledger-spill.db")
}

impl Spill {
    /// Returns the spill file of this directory. It need not exist.
    pub(super) fn new(directory: &Path, purpose: Purpose) -> Self {
        let bound = if purpose == Purpose::WriteDurably { STRICT_BOUND } else { BOUND };
        Self { path: file(directory), purpose, store: None, bound }
    }

    /// Returns the spill file of this directory for a command.
    pub(super) fn patient(directory: &Path) -> Self {
        Self { bound: PATIENT, ..Self::new(directory, Purpose::WriteDurably) }
    }

    /// Returns true if there is nothing to restore. A file that nobody has opened may hold rows of an earlier process.
    pub(super) fn is_absent(&self) -> bool {
        self.store.is_none() && !self.path.exists()
    }

    /// Adds rows. Returns the numbers of those that the file refuses.
    pub(super) async fn append(&mut self, rows: &[Row]) -> Result<Vec<usize>, LedgerError> {
        let mut store = self.take().await?;
        let refused = bounded(self.bound, store.spill(rows)).await?;
        self.store = Some(store);
        Ok(refused)
    }

    /// Returns up to `limit` rows, oldest first.
    pub(super) async fn first(&mut self, limit: i64) -> Result<Vec<Row>, LedgerError> {
        let mut store = self.take().await?;
        let rows = bounded(self.bound, store.first_rows(limit)).await?;
        self.store = Some(store);
        Ok(rows)
    }

    /// Removes rows that are in the database.
    pub(super) async fn remove(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        let mut store = self.take().await?;
        let ids: Vec<_> = rows.iter().map(|row| row.begun.id).collect();
        bounded(self.bound, store.delete(&ids)).await?;
        self.store = Some(store);
        Ok(())
    }

    /// Returns the keys of a user's rows.
    pub(super) async fn keys_of(&mut self, tenant: &str, user: &str) -> Result<Vec<String>, LedgerError> {
        if self.is_absent() {
            return Ok(Vec::new());
        }
        let mut store = self.take().await?;
        let keys = bounded(self.bound, store.keys_of(tenant, user)).await?;
        self.store = Some(store);
        Ok(keys)
    }

    /// Removes the names of a user from the rows. Returns the number of rows.
    pub(super) async fn forget(&mut self, person: &Person) -> Result<u64, LedgerError> {
        if self.is_absent() {
            return Ok(0);
        }
        let mut store = self.take().await?;
        let changed = store.forget_spilled(person).await?;
        store.forget_sums(person).await?;
        store.scrub().await?;
        store.cut_log().await?;
        self.store = Some(store);
        Ok(changed)
    }

    /// Closes the file, which removes its write-ahead log.
    pub(super) async fn close(&mut self) {
        if let Some(store) = self.store.take() {
            let _closed_anyway = timeout(self.bound, store.close()).await;
        }
    }

    /// Takes the connection, or opens one. It is put back unless it had an error.
    async fn take(&mut self) -> Result<Store, LedgerError> {
        if let Some(store) = self.store.take() {
            return Ok(store);
        }
        let opening = Store::open(Target::Sqlite(self.path.clone()), self.purpose, "".into());
        timeout(self.bound, opening).await.unwrap_or_else(|_| Err(LedgerError::Spill("it does not answer".into())))
    }
}

async fn bounded<T>(bound: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LedgerError> {
    match timeout(bound, work).await {
        Ok(done) => done.map_err(|error| LedgerError::Spill(reason(&error))),
        Err(_) => Err(LedgerError::Spill("it does not answer in time".to_owned())),
    }
}
