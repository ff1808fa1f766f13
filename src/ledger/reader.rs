//! Answers from the ledger, over connections of its own that cannot write.
//!
//! Sums come from the tables of sums, whatever the number of rows: a time span is put together from the hours at its
//! beginning, then days, then months. What was finished less than a second ago may be missing from them.

mod rows;
mod spans;
mod usage;
mod users;

use jiff::Timestamp;

use super::engine::{Row, Target};
use super::error::LedgerError;
use super::pool::{Pool, Question};
use super::sums;
use crate::config;

/// The ledger, to be read. Cheap to clone; connects when first asked.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Pool,
}

impl Reader {
    /// A reader of the configured ledger. Nothing is connected yet.
    ///
    /// # Errors
    /// [`LedgerError::Off`], or an address that cannot be used.
    pub fn open(settings: &config::Ledger) -> Result<Self, LedgerError> {
        let store = settings.store.as_ref().ok_or(LedgerError::Off)?;
        Ok(Self { pool: Pool::new(Target::new(store)?) })
    }

    fn ask(&self, sql: &str) -> Question {
        Question::new(self.pool.engine()).sql(sql)
    }
}

/// A name out of a key, where `""` stands for none.
fn name(row: &Row, column: usize) -> Result<Option<String>, LedgerError> {
    Ok(row.text(column)?.filter(|name| !name.is_empty()))
}

fn count(row: &Row, column: usize) -> Result<u64, LedgerError> {
    Ok(u64::try_from(row.count(column)?).unwrap_or_default())
}

fn time(row: &Row, column: usize) -> Result<Timestamp, LedgerError> {
    Ok(sums::timestamp(row.count(column)?))
}
