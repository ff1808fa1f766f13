//! What can go wrong with the ledger where somebody is there to be told; the request path never sees any of it.

/// Why the ledger cannot be opened, read or changed. The text holds no value of a row and no password.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No ledger is configured.
    #[error("the ledger is off; set CALLSIGN_DATA_DIR, or CALLSIGN_LEDGER")]
    Off,
    /// The data directory cannot be written, or not be made.
    #[error("the data directory cannot be used: {0}")]
    Directory(std::io::Error),
    /// The database cannot be opened, is no database, or is newer than this program.
    #[error("the ledger cannot be opened: {0}")]
    Open(String),
    /// A question or a change failed.
    #[error("the ledger does not answer: {0}")]
    Query(String),
    /// The spill file could not be read or rewritten.
    #[error("the ledger's spill file cannot be used: {0}")]
    Spill(std::io::Error),
    /// The writer's thread could not be started.
    #[error("the ledger's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// What a database says of itself, without what was asked of it.
pub(super) fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::WorkerCrashed => "its thread ended".to_owned(),
        sqlx::Error::Configuration(_) => "its address cannot be used".to_owned(),
        sqlx::Error::Protocol(_) => "it does not speak as expected".to_owned(),
        other => format!("{other}").chars().take(200).collect(),
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Query(reason(&error))
    }
}
