//! Requests over time of several names at once, for small charts in lists.

use super::usage::In;
use super::{Reader, count, name};
use crate::ledger::error::LedgerError;
use crate::ledger::grain::timestamp;
use crate::ledger::query::{By, Filter, Spark, Step};

impl Reader {
    /// Returns the requests of these rows of a list (name and tenant) by hour or day, in one query. A step of days may
    /// begin with hours. `by` is no period of time.
    pub async fn sparks(
        &self,
        by: By,
        step: Step,
        names: &[Option<String>],
        filter: &Filter,
    ) -> Result<Vec<Spark>, LedgerError> {
        if by.is_time() || names.is_empty() {
            return Ok(Vec::new());
        }
        let mut sparks = Vec::new();
        for row in self.pool.fetch(self.sums_of(In { by, step, names }, filter).await?).await? {
            sparks.push(Spark {
                key: name(&row, 0)?,
                tenant: name(&row, 1)?,
                at: timestamp(row.count(2)?),
                requests: count(&row, 3)?,
            });
        }
        Ok(sparks)
    }
}
