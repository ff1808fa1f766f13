//! A common interface to SQLite and PostgreSQL. Statements are shared; only the placeholders of long inserts differ.
//!
//! It replaces sqlx's `Any` driver, which copies every text twice for SQLite and so costs more than SQLite itself.
//! Arguments are built for the engine in use, and shared text is passed without a copy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Arguments as _, ConnectOptions as _, Connection as _, Row as _, SqlSafeStr, SqlStr};

use super::error::LedgerError;
use crate::ledger::settings::Store;

/// The database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Returns the expression of the database's clock in microseconds since 1970.
    pub(crate) fn clock_us(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Writing. A commit returns once the operating system has the data.
    Write,
    /// Writing. A commit returns once the data is on disk.
    WriteDurably,
    /// Reading only.
    Read,
}

/// The address of a database.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// An open connection. It is dropped after any error, which rolls back an open transaction.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// The arguments of a statement.
#[derive(Debug)]
pub(crate) enum Arguments {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// One row of a result.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Maximum time that SQLite waits for another process's lock.
const BUSY: Duration = Duration::from_millis(350);
/// SQLite's page cache per connection (`cache_size`): 4 MiB, enough for the upper levels of every index. SQLite scans
/// the whole cache when it rebalances a tree, so more would be slower.
const CACHE: &str = "-4096";

impl Target {
    /// Returns the configured database.
    ///
    /// # Errors
    /// [`LedgerError::Open`] if the address is invalid. The error does not contain it, because it may include a
    /// password.
    pub(crate) fn new(store: &Store) -> Result<Self, LedgerError> {
        match store {
            Store::Sqlite(path) => Ok(Self::Sqlite(path.clone())),
            Store::Postgres(url) => {
                let options: Result<PgConnectOptions, _> = url.expose().parse();
                let options =
                    options.map_err(|_| LedgerError::Open("CALLSIGN_LEDGER: invalid postgres URL".to_owned()))?;
                Ok(Self::Postgres(Box::new(options.application_name("callsign").disable_statement_logging())))
            }
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self, purpose: Purpose) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(BUSY)
                    .pragma("cache_size", CACHE)
                    // Rollback data and sort buffers, at most a few MiB. The container image has no directory for
                    // temporary files.
                    .pragma("temp_store", "MEMORY")
                    .statement_cache_capacity(256)
                    .disable_statement_logging();
                let options = match purpose {
                    Purpose::Read => options.read_only(true),
                    Purpose::Write => writing(options).synchronous(SqliteSynchronous::Normal),
                    Purpose::WriteDurably => writing(options).synchronous(SqliteSynchronous::Full),
                };
                Ok(Connection::Sqlite(Box::new(SqliteConnection::connect_with(&options).await?)))
            }
            Self::Postgres(options) => {
                let settings: &[(&str, &str)] = match purpose {
                    Purpose::Read => &[("default_transaction_read_only", "on"), ("statement_timeout", "30s")],
                    Purpose::Write | Purpose::WriteDurably => &[],
                };
                let options = options.as_ref().clone().options(settings.iter().copied());
                Ok(Connection::Postgres(Box::new(PgConnection::connect_with(&options).await?)))
            }
        }
    }
}

/// Adds the options for writing: rows survive a crash of the process, and deleted content is overwritten.
fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("secure_delete", "on")
        .pragma("wal_autocheckpoint", "4000")
}

impl Connection {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Returns empty arguments for this connection.
    pub(crate) fn arguments(&self) -> Arguments {
        Arguments::new(self.engine())
    }

    /// Runs a statement and returns the number of changed rows.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, arguments: Arguments) -> Result<u64, sqlx::Error> {
        match (self, arguments) {
            (Self::Sqlite(connection), Arguments::Sqlite(arguments)) => {
                let done = sqlx::query_with(sql, arguments).execute(connection.as_mut()).await?;
                Ok(done.rows_affected())
            }
            (Self::Postgres(connection), Arguments::Postgres(arguments)) => {
                let done = sqlx::query_with(sql, arguments).execute(connection.as_mut()).await?;
                Ok(done.rows_affected())
            }
            _ => Err(mismatch()),
        }
    }

    /// Runs a query.
    pub(crate) async fn fetch(&mut self, sql: impl SqlSafeStr, arguments: Arguments) -> Result<Vec<Row>, sqlx::Error> {
        match (self, arguments) {
            (Self::Sqlite(connection), Arguments::Sqlite(arguments)) => {
                let rows = sqlx::query_with(sql, arguments).fetch_all(connection.as_mut()).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            (Self::Postgres(connection), Arguments::Postgres(arguments)) => {
                let rows = sqlx::query_with(sql, arguments).fetch_all(connection.as_mut()).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
            _ => Err(mismatch()),
        }
    }

    /// Runs statements without arguments and without preparing them.
    pub(crate) async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        let sql: SqlStr = sql.into_sql_str();
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection.as_mut()).await.map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(sql).execute(connection.as_mut()).await.map(drop),
        }
    }

    /// Begins a transaction. SQLite takes the write lock now instead of at the first write.
    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self.engine() {
            Engine::Sqlite => self.run("BEGIN IMMEDIATE").await,
            Engine::Postgres => self.run("BEGIN").await,
        }
    }

    /// Commits the transaction.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.run("COMMIT").await
    }

    /// Rolls the transaction back.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        self.run("ROLLBACK").await
    }

    /// Closes the connection. On SQLite the last connection to close removes the write-ahead log.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

fn mismatch() -> sqlx::Error {
    sqlx::Error::Protocol("arguments for another engine".to_owned())
}

impl Arguments {
    pub(crate) fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(SqliteArguments::default()),
            Engine::Postgres => Self::Postgres(PgArguments::default()),
        }
    }

    /// Reserves space for this many arguments.
    pub(crate) fn reserve(&mut self, count: usize) {
        match self {
            Self::Sqlite(arguments) => arguments.reserve(count, 0),
            Self::Postgres(arguments) => arguments.reserve(count, count * 16),
        }
    }

    /// Adds shared text, without a copy if the engine permits it.
    pub(crate) fn shared(&mut self, text: Option<&Arc<str>>) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => match text {
                Some(text) => arguments.add(Arc::clone(text)),
                None => arguments.add(None::<i64>),
            },
            Self::Postgres(arguments) => arguments.add(text.map(AsRef::as_ref)),
        }
        .map_err(sqlx::Error::Encode)
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: Option<&str>) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => arguments.add(text),
            Self::Postgres(arguments) => arguments.add(text),
        }
        .map_err(sqlx::Error::Encode)
    }

    /// Adds a number.
    pub(crate) fn int(&mut self, number: Option<i64>) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => arguments.add(number),
            Self::Postgres(arguments) => arguments.add(number),
        }
        .map_err(sqlx::Error::Encode)
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => arguments.add(bytes),
            Self::Postgres(arguments) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)
    }
}

impl Row {
    /// Returns the text in this column.
    pub(crate) fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Returns the text in this column, also if it is damaged. Bytes that are not UTF-8 become U+FFFD; a number or NULL
    /// is empty.
    pub(crate) fn lossy_text(&self, column: usize) -> String {
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.text(column).ok().flatten().or_else(|| self.bytes(column).ok().map(lossy)).unwrap_or_default()
    }

    /// Returns the number in this column.
    pub(crate) fn int(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Returns the number in this column, or 0 for NULL.
    pub(crate) fn count(&self, column: usize) -> Result<i64, sqlx::Error> {
        Ok(self.int(column)?.unwrap_or_default())
    }

    /// Returns the bytes in this column.
    pub(crate) fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}
