//! Errors of the ledger that are reported to the operator. The request path does not see them.

use sqlx::error::DatabaseError;

/// SQLSTATE classes of PostgreSQL that mean that a value is refused: data exception, constraint, program limit.
const CLASSES: [&str; 3] = ["22", "23", "54"];
/// Primary result codes of SQLite of the same meaning: too big, constraint, mismatch, range.
const CODES: [u32; 4] = [18, 19, 20, 25];
/// An error of opening, reading or changing the ledger. Its text contains neither row values nor passwords.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No ledger is configured.
    #[error("the ledger is off: set CALLSIGN_DATA_DIR or CALLSIGN_LEDGER")]
    Off,
    /// The data directory cannot be created or written.
    #[error("cannot use the data directory (CALLSIGN_DATA_DIR): {0}")]
    Directory(std::io::Error),
    /// The database cannot be opened, is not a database, or was written by a newer callsign.
    #[error("cannot open the ledger: {0}")]
    Open(String),
    /// A query or a change failed.
    #[error("the ledger is unavailable: {0}")]
    Query(String),
    /// The spill file could not be read or rewritten.
    #[error("cannot use the ledger's spill file: {0}")]
    Spill(String),
    /// The writer's thread could not be started.
    #[error("cannot start the ledger's writer thread: {0}")]
    Thread(std::io::Error),
}

/// Returns the database's error text without the statement and its values.
pub(crate) fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::WorkerCrashed => "the connection's thread ended".to_owned(),
        sqlx::Error::Configuration(_) => "invalid database address".to_owned(),
        sqlx::Error::Protocol(_) => "unexpected answer from the database".to_owned(),
        other => format!("{other}").chars().take(200).collect(),
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Query(reason(&error))
    }
}

/// Returns true if the error means that the database refuses a value, and not that it cannot be used.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| means_refusal(&code))
}

fn means_refusal(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite's codes are numbers; the low byte is the primary code. SQLSTATEs have five characters.
        Ok(number) if code.len() < 5 => CODES.contains(&(number & 0xff)),
        _ => code.get(..2).is_some_and(|class| CLASSES.contains(&class)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_is_told_from_a_database_that_fails() {
        // SQLite: constraint by a trigger and of a primary key, too big. PostgreSQL: check, out of range, index row size.
        for code in ["1811", "1555", "18", "23514", "22003", "54000"] {
            assert!(means_refusal(code), "{code}");
        }
        // SQLite: busy, full, corrupt, no such table. PostgreSQL: shutdown, disk full, no such table, deadlock.
        for code in ["5", "13", "11", "1", "57P01", "53100", "42P01", "40P01", ""] {
            assert!(!means_refusal(code), "{code}");
        }
    }
}
