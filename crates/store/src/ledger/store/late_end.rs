//! The real end of a request that was given up: its process did not reach the database for so long that another one took
//! it for dead.

use super::Store;
use super::columns::{self, read_row};
use crate::ledger::row::{Row, ending_code};

impl Store {
    /// Replaces the unknown end of a request by its real one, within the open transaction. The caller stays as stored:
    /// somebody may have been forgotten since.
    pub(super) async fn end_late(&mut self, ended: &Row) -> Result<(), sqlx::Error> {
        // The ending of a request that was given up is unknown.
        let given_up = format!("ending = {}", ending_code(None));
        let mut arguments = self.connection.arguments();
        arguments.bytes(ended.begun.id.as_bytes())?;
        let sql = format!("SELECT {} FROM ledger WHERE id = $1 AND {given_up}", columns::all());
        let found = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        let Some(old) = found.first().map(read_row).transpose()? else { return Ok(()) };
        let new = Row { begun: old.begun.clone(), ..ended.clone() };
        self.replace(&old, &new, &given_up).await.map(drop)
    }
}
