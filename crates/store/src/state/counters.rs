//! Counters of limits in `state.db`, one row per subject. The worker of limits writes changed rows once a second; a
//! crash loses the last second.

use std::path::Path;

use super::error::StateError;
use super::mark::Access;
use super::sql::{SqlPlace, file};
use crate::ledger::engine::{Connection, Purpose, Target};
use crate::ledger::error::reason;

/// A connection for counters.
#[derive(Debug)]
pub struct CounterTable {
    target: Target,
    connection: Option<Connection>,
}

fn failed(error: &sqlx::Error) -> StateError {
    StateError::Unavailable { place: "state.db", reason: reason(error) }
}

impl CounterTable {
    /// Opens the table of a server, and creates it if needed.
    ///
    /// # Errors
    /// [`StateError`] if the file cannot be used.
    pub async fn open(directory: &Path) -> Result<Self, StateError> {
        let target = Target::Sqlite(file(directory));
        SqlPlace::new(target.clone(), Access::Server).mark().await?;
        Ok(Self { target, connection: None })
    }

    async fn take(&mut self) -> Result<Connection, StateError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.target.connect(Purpose::Write).await.map_err(|error| failed(&error)),
        }
    }

    /// Returns all subjects and their counters.
    ///
    /// # Errors
    /// [`StateError`] if the file cannot be read.
    pub async fn all(&mut self) -> Result<Vec<(String, String)>, StateError> {
        let mut connection = self.take().await?;
        let arguments = connection.arguments();
        let rows = connection.fetch("SELECT subject, counters FROM callsign_counters", arguments).await;
        let rows = rows.map_err(|error| failed(&error))?;
        self.connection = Some(connection);
        let text = |row: &crate::ledger::engine::Row, column| row.text(column).ok().flatten();
        Ok(rows.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1)?))).collect())
    }

    /// Writes changed counters. `None` deletes a row.
    ///
    /// # Errors
    /// [`StateError`] if the file cannot be written; nothing is written then.
    pub async fn write(&mut self, rows: &[(String, Option<String>)]) -> Result<(), StateError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut connection = self.take().await?;
        let written = async {
            connection.begin().await?;
            for (subject, counters) in rows {
                let mut arguments = connection.arguments();
                arguments.text(Some(subject))?;
                let sql = match counters {
                    None => "DELETE FROM callsign_counters WHERE subject = $1",
                    Some(counters) => {
                        arguments.text(Some(counters))?;
                        "INSERT INTO callsign_counters (subject, counters) VALUES ($1, $2) \
                         ON CONFLICT (subject) DO UPDATE SET counters = excluded.counters"
                    }
                };
                connection.execute(sql, arguments).await?;
            }
            connection.commit().await
        };
        written.await.map_err(|error| failed(&error))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Returns one subject's counters, for a command.
    ///
    /// # Errors
    /// [`StateError`] if the file cannot be read.
    pub async fn look(directory: &Path, subject: &str) -> Result<Option<String>, StateError> {
        let path = file(directory);
        if !path.exists() {
            return Ok(None);
        }
        let connection = Target::Sqlite(path).connect(Purpose::Read).await;
        let mut connection = connection.map_err(|error| failed(&error))?;
        let mut arguments = connection.arguments();
        arguments.text(Some(subject)).map_err(|error| failed(&error))?;
        let rows = connection.fetch("SELECT counters FROM callsign_counters WHERE subject = $1", arguments).await;
        let rows = rows.map_err(|error| failed(&error))?;
        Ok(rows.first().and_then(|row| row.text(0).ok().flatten()))
    }
}
