//! The real end of a request that was given up: its process did not reach the database for so long that another one took
//! it for dead.

use std::collections::HashSet;

use callsign_core::request_id::RequestId;

use super::Store;
use super::columns::{self, CHANGING, bind_changing, read_row};
use crate::ledger::increments::Increments;
use crate::ledger::insert::placeholders;
use crate::ledger::row::Row;
use crate::ledger::sums::Sums;

/// The code of an unknown ending in the table `requests`.
const UNKNOWN: i64 = 4;

impl Store {
    /// Returns those of these ids whose request was given up.
    pub(super) async fn given_up(&mut self, ids: &[RequestId]) -> Result<HashSet<RequestId>, sqlx::Error> {
        let mut given_up = HashSet::new();
        for chunk in ids.chunks(super::VALUES) {
            let mut arguments = self.connection.arguments();
            chunk.iter().try_for_each(|id| arguments.bytes(id.as_bytes()))?;
            let sql =
                format!("SELECT id FROM requests WHERE ending = {UNKNOWN} AND id IN ({})", placeholders(chunk.len()));
            for row in self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await? {
                given_up.extend(RequestId::from_bytes(&row.bytes(0)?));
            }
        }
        Ok(given_up)
    }

    /// Replaces the unknown end of a request by its real one, within the open transaction. The caller stays as stored:
    /// somebody may have been forgotten since.
    pub(super) async fn end_late(&mut self, ended: &Row) -> Result<(), sqlx::Error> {
        let id = ended.begun.id;
        let mut arguments = self.connection.arguments();
        arguments.bytes(id.as_bytes())?;
        let sql = format!("SELECT {} FROM ledger WHERE id = $1 AND ending = {UNKNOWN}", columns::all());
        let found = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        let Some(old) = found.first().map(read_row).transpose()? else { return Ok(()) };
        let new = Row { begun: old.begun.clone(), ..ended.clone() };
        let mut arguments = self.connection.arguments();
        bind_changing(&new, &mut arguments)?;
        arguments.bytes(id.as_bytes())?;
        let set: Vec<_> = (1..).zip(CHANGING).map(|(number, name)| format!("{name} = ${number}")).collect();
        let sql =
            format!("UPDATE requests SET {} WHERE id = ${} AND ending = {UNKNOWN}", set.join(", "), CHANGING.len() + 1);
        if self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await? == 0 {
            return Ok(());
        }
        let mut increments = Increments::default();
        for (row, sums) in [(&old, Sums::of(&old).map(Sums::negative)), (&new, Sums::of(&new))] {
            if let Some(sums) = sums {
                increments.shift(row, sums);
            }
        }
        self.apply(increments).await.map(drop)
    }
}
