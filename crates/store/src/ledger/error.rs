//! Errors of the ledger that are reported to the operator. The request path does not see them.

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
pub(super) fn reason(error: &sqlx::Error) -> String {
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
