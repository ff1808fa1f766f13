//! Reads what a SQLite file holds.

use std::path::Path;

use super::error::BackupError;
use super::files::Part;
use crate::ledger;
use crate::ledger::engine::{Connection, Purpose, Target};
use crate::state;

/// Opens a file for reading.
pub(super) async fn open(path: &Path) -> Result<Connection, BackupError> {
    let target = Target::Sqlite(path.to_owned());
    target.connect(Purpose::Read).await.map_err(BackupError::database(path))
}

/// Returns the number that a query gives.
pub(super) async fn number(connection: &mut Connection, path: &Path, sql: &'static str) -> Result<i64, BackupError> {
    let arguments = connection.arguments();
    let rows = connection.fetch(sql, arguments).await.map_err(BackupError::database(path))?;
    let number = rows.first().map_or(Ok(0), |row| row.count(0));
    number.map_err(BackupError::database(path))
}

/// Checks that a file is an intact database, of this version or an older one.
pub(super) async fn check(part: Part, path: &Path) -> Result<(), BackupError> {
    let mut connection = open(path).await?;
    let arguments = connection.arguments();
    let rows = connection.fetch("PRAGMA quick_check(1)", arguments).await.map_err(BackupError::database(path))?;
    let found = rows.first().and_then(|row| row.text(0).ok().flatten()).unwrap_or_default();
    if found != "ok" {
        return Err(BackupError::Database { path: path.to_owned(), reason: format!("damaged: {found}") });
    }
    let (sql, latest) = match part {
        Part::Ledger | Part::Spill => ("SELECT MAX(version) FROM _sqlx_migrations", ledger::latest_schema()),
        Part::State => ("SELECT MAX(version) FROM callsign_state_migrations", state::latest_schema()),
    };
    let applied = number(&mut connection, path, sql).await?;
    connection.close().await.map_err(BackupError::database(path))?;
    if applied > latest { Err(BackupError::Newer(path.to_owned())) } else { Ok(()) }
}

/// Returns the number of the version of a `state.db`.
pub(super) async fn version(path: &Path) -> Result<i64, BackupError> {
    let mut connection = open(path).await?;
    let number = number(&mut connection, path, "SELECT number FROM callsign_mark").await?;
    connection.close().await.map_err(BackupError::database(path))?;
    Ok(number)
}
