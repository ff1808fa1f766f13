//! The access to rows in the spill file, which is a SQLite database with the same tables. It holds rows only; the sums
//! are made when the rows come into the ledger's database.

use std::sync::Arc;

use callsign_core::request_id::RequestId;

use super::Store;
use super::columns::{self, bind_row};
use crate::ledger::error::is_refusal;
use crate::ledger::insert::placeholders;
use crate::ledger::row::Row;

impl Store {
    /// Writes rows without their sums, in ever smaller parts if the file refuses some. Returns the numbers of the rows
    /// that it refuses. A finished row does not change.
    pub(in crate::ledger) async fn spill(&mut self, rows: &[Row]) -> Result<Vec<usize>, sqlx::Error> {
        let mut refused = Vec::new();
        let mut parts = vec![(0, rows)];
        while let Some((first, part)) = parts.pop() {
            match self.spill_once(part).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => {
                    self.reset().await?;
                    if part.len() > 1 {
                        let half = part.len() / 2;
                        let (before, after) = part.split_at(half);
                        parts.extend([(first + half, after), (first, before)]);
                    } else {
                        refused.push(first);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    async fn spill_once(&mut self, rows: &[Row]) -> Result<(), sqlx::Error> {
        self.check_file()?;
        self.begin().await?;
        // Another process may have emptied the file.
        self.contexts.clear();
        let placed = self.place(rows).await?;
        let statements = Arc::clone(&self.statements);
        statements.rows.run(&mut self.connection, &placed, bind_row).await?;
        self.commit().await
    }

    /// Returns up to `limit` rows in order of their ids, for moving spilled rows.
    pub(in crate::ledger) async fn first_rows(&mut self, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(limit))?;
        let sql = format!("SELECT {} FROM ledger ORDER BY id LIMIT $1", columns::all());
        let rows = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        rows.iter().map(columns::read_row).collect()
    }

    /// Deletes rows by their ids, and all names with the last row.
    pub(in crate::ledger) async fn delete(&mut self, ids: &[RequestId]) -> Result<(), sqlx::Error> {
        self.begin().await?;
        for chunk in ids.chunks(super::VALUES) {
            let mut arguments = self.connection.arguments();
            for id in chunk {
                arguments.bytes(id.as_bytes())?;
            }
            let sql = format!("DELETE FROM requests WHERE id IN ({})", placeholders(chunk.len()));
            self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await?;
        }
        self.connection.run("DELETE FROM contexts WHERE NOT EXISTS (SELECT 1 FROM requests)").await?;
        self.connection.run("DELETE FROM people WHERE NOT EXISTS (SELECT 1 FROM requests)").await?;
        self.commit().await
    }

    /// Returns the keys of a user's rows.
    pub(in crate::ledger) async fn keys_of(&mut self, tenant: &str, user: &str) -> Result<Vec<String>, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.text(Some(user))?;
        arguments.text(Some(tenant))?;
        let sql = "SELECT DISTINCT key_name FROM ledger WHERE user_id = $1 AND COALESCE(tenant, '') = $2";
        let mut keys = Vec::new();
        for row in self.connection.fetch(sql, arguments).await? {
            keys.extend(row.text(0)?);
        }
        Ok(keys)
    }
}
