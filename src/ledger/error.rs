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
