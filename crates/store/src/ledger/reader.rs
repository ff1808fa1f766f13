//! Queries of the ledger, on separate read-only connections.
//!
//! Usage is read from the tables of sums: a period consists of hours at its beginning, then days, then months.

mod requests;
mod spans;
mod sparks;
mod usage;
mod users;

use jiff::Timestamp;

use super::engine::{Row, Target};
use super::error::LedgerError;
use super::grain;
use super::pool::{Pool, Question};
use super::settings::Settings;

/// Read access to the ledger. Cheap to clone; connects at the first query.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Pool,
}

impl Reader {
    /// Returns a reader of the configured ledger without connecting.
    ///
    /// # Errors
    /// [`LedgerError::Off`] if no ledger is configured, or an error if the address is invalid.
    pub fn open(settings: &Settings) -> Result<Self, LedgerError> {
        let store = settings.store.as_ref().ok_or(LedgerError::Off)?;
        Ok(Self { pool: Pool::new(Target::new(store)?) })
    }

    fn ask(&self, sql: &str) -> Question {
        Question::new(self.pool.engine()).sql(sql)
    }
}

/// Reads a name from a key column, where `""` means none.
fn name(row: &Row, column: usize) -> Result<Option<String>, LedgerError> {
    Ok(row.text(column)?.filter(|name| !name.is_empty()))
}

fn count(row: &Row, column: usize) -> Result<u64, LedgerError> {
    Ok(u64::try_from(row.count(column)?).unwrap_or_default())
}

fn time(row: &Row, column: usize) -> Result<Timestamp, LedgerError> {
    Ok(grain::timestamp(row.count(column)?))
}
