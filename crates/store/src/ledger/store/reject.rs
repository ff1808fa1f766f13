//! Rows that the database refuses because of their values (docs/SPEC.md#rejected-rows). Such a row costs nobody else
//! anything: it is stored without names, so the sums stay right, and its reason is in `rejected`.

use sqlx::error::DatabaseError;

use super::columns::bind_row;
use super::{Store, Written};
use crate::ledger::engine::Engine;
use crate::ledger::error::{is_refusal, reason};
use crate::ledger::grain::now_us;
use crate::ledger::increments::Increments;
use crate::ledger::row::Row;

/// Maximum length of a stored reason in characters.
const REASON: usize = 200;

impl Store {
    /// Writes rows in ever smaller parts, and sets those aside that the database refuses.
    pub(super) async fn write_each(&mut self, rows: &[Row]) -> Result<Written, sqlx::Error> {
        self.reset().await?;
        let mut written = Written::default();
        // One refused row of 1,000 costs about 20 transactions, not 1,000.
        let mut parts = vec![rows];
        while let Some(part) = parts.pop() {
            match self.replay_once(part).await {
                Ok(one) => written.collisions += one.collisions,
                Err(error) if is_refusal(&error) => {
                    self.reset().await?;
                    if let [row] = part {
                        self.set_aside(row, &error).await?;
                        written.rejected += 1;
                    } else {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Stores the row without names, and the reason, in a transaction. Names that only this row has are removed.
    async fn set_aside(&mut self, row: &Row, error: &sqlx::Error) -> Result<(), sqlx::Error> {
        self.begin_alone().await?;
        match self.set_aside_within(row, error, false).await {
            Err(error) if is_refusal(&error) => {
                log_nameless(&error);
                self.reset().await?;
                self.begin_alone().await?;
                self.delete_row(row, false).await?;
            }
            aside => aside?,
        }
        self.remove_unused_names(row.begun.labels.person_number()).await?;
        self.commit().await
    }

    /// Stores the row without names, and the reason, in the open transaction. `is_there`: the row itself is in the table
    /// as finished; only what it adds to other tables was refused.
    pub(super) async fn set_aside_within(
        &mut self,
        row: &Row,
        error: &sqlx::Error,
        is_there: bool,
    ) -> Result<(), sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.bytes(row.begun.id.as_bytes())?;
        arguments.int(Some(now_us()))?;
        arguments.int(Some(row.begun.labels.person_number()))?;
        // PostgreSQL's message names the constraint or the limit. It may quote a value, so only the code is kept.
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
        let text: String = format!("the database refused a value (code {code})").chars().take(REASON).collect();
        arguments.text(Some(&text))?;
        let sql = "INSERT INTO rejected (id, at_us, person, reason) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (id) DO NOTHING";
        self.connection.execute(sql, arguments).await?;
        let mut nameless = row.clone();
        nameless.strip(true);
        nameless.begun.labels.tenant = None;
        (nameless.begun.account, nameless.begun.endpoint) = (None, "".into());
        if let Some(ended) = &mut nameless.ended {
            (ended.model, ended.provider, ended.requested_model) = (None, None, None);
            (ended.error, ended.limit) = (None, None);
        }
        // The row may have been written as begun, with names.
        self.delete_row(row, is_there).await?;
        let placed = self.place([&nameless]).await?;
        let statements = std::sync::Arc::clone(&self.statements);
        if statements.rows.run(&mut self.connection, &placed, bind_row).await? > 0 {
            self.apply(Increments::of(&placed)).await?;
        }
        Ok(())
    }

    /// Deletes a row that runs, or, if `is_there`, also a finished one.
    pub(super) async fn delete_row(&mut self, row: &Row, is_there: bool) -> Result<(), sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.bytes(row.begun.id.as_bytes())?;
        let sql = if is_there {
            "DELETE FROM requests WHERE id = $1"
        } else {
            "DELETE FROM requests WHERE id = $1 AND ending IS NULL"
        };
        self.connection.execute(sql, arguments).await.map(drop)
    }

    /// Ends a transaction that an error has left open.
    pub(super) async fn reset(&mut self) -> Result<(), sqlx::Error> {
        // Identifiers may be noted that were not written.
        self.known.clear();
        match self.connection.rollback().await {
            Ok(()) => Ok(()),
            // SQLite may have rolled back by itself.
            Err(_) if self.connection.engine() == Engine::Sqlite => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Logs that a row is lost.
pub(super) fn log_nameless(error: &sqlx::Error) {
    tracing::error!(reason = reason(error), "ledger: the database refuses a row even without its names");
}
