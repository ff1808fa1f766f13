//! The state that the writers of one ledger share: the row of the table `state`.

use crate::ledger::engine::{Connection, Engine};

/// The row of the table `state`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// The first hour that the coarser sums do not hold.
    pub(super) folded_us: i64,
    /// Everything before this time is deleted.
    pub(super) from_us: i64,
    /// The number of times somebody was forgotten.
    pub(super) forgotten: i64,
}

impl State {
    /// Reads the row in a transaction. PostgreSQL locks it against a fold, retention or `forget` by another node until
    /// the end of the transaction. Each transaction locks this row before other tables, so none waits for another in a
    /// circle.
    pub(super) async fn read(connection: &mut Connection) -> Result<Self, sqlx::Error> {
        let sql = match connection.engine() {
            Engine::Sqlite => "SELECT folded_us, from_us, forgotten FROM state",
            Engine::Postgres => "SELECT folded_us, from_us, forgotten FROM state FOR SHARE",
        };
        let rows = connection.fetch(sql, connection.arguments()).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(Self { folded_us: row.count(0)?, from_us: row.count(1)?, forgotten: row.count(2)? })
    }
}
