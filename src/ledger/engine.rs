//! One way to speak SQL to both engines. Statements are the same for both; only the placeholders of long inserts differ.
//!
//! sqlx's own `Any` driver copies every text twice on its way into SQLite, which costs more than SQLite itself; so
//! arguments are built for the engine at hand, and shared text is handed over without a copy.

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
use crate::config::Store;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Writing; a commit returns when the operating system has it.
    Write,
    /// Writing; a commit returns when the disk has it.
    WriteDurably,
    /// Reading alone.
    Read,
}

/// How a database is reached.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// One open connection. It is dropped after any error: what was begun on it is then undone.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// The arguments of a statement.
#[derive(Debug)]
pub(super) enum Arguments {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// One row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// How long SQLite waits for another process's lock.
const BUSY: Duration = Duration::from_millis(350);
/// What a SQLite connection keeps in memory: 4 MiB, so that the upper levels of every index stay there. No more, since SQLite
/// walks over all of it when it puts the pages of a tree in order.
const CACHE: &str = "-4096";

impl Target {
    /// Where the configuration points.
    ///
    /// # Errors
    /// An address that cannot be understood. It is not repeated: it may hold a password.
    pub(super) fn new(store: &Store) -> Result<Self, LedgerError> {
        match store {
            Store::Sqlite(path) => Ok(Self::Sqlite(path.clone())),
            Store::Postgres(url) => {
                let options: Result<PgConnectOptions, _> = url.expose().parse();
                let options = options.map_err(|_| LedgerError::Open("CALLSIGN_LEDGER is no usable URL".to_owned()))?;
                Ok(Self::Postgres(Box::new(options.application_name("callsign").disable_statement_logging())))
            }
        }
    }

    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(BUSY)
                    .pragma("cache_size", CACHE)
                    // What a statement might have to undo, and what is sorted, at most a few MiB. Elsewhere it goes to
                    // a directory for temporary files, which an image that holds nothing else has not.
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

/// What a writer of a file needs: rows survive a crash of the process, and what is deleted is overwritten.
fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("secure_delete", "on")
        .pragma("wal_autocheckpoint", "4000")
}

impl Connection {
    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Empty arguments for this connection.
    pub(super) fn arguments(&self) -> Arguments {
        Arguments::new(self.engine())
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) async fn execute(&mut self, sql: impl SqlSafeStr, arguments: Arguments) -> Result<u64, sqlx::Error> {
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

    /// Runs a question.
    pub(super) async fn fetch(&mut self, sql: impl SqlSafeStr, arguments: Arguments) -> Result<Vec<Row>, sqlx::Error> {
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

    /// Runs statements without arguments, which are not kept prepared.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        let sql: SqlStr = sql.into_sql_str();
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection.as_mut()).await.map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(sql).execute(connection.as_mut()).await.map(drop),
        }
    }

    /// Begins to write. SQLite takes its lock now rather than in the middle.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self.engine() {
            Engine::Sqlite => self.run("BEGIN IMMEDIATE").await,
            Engine::Postgres => self.run("BEGIN").await,
        }
    }

    /// Ends what was begun.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.run("COMMIT").await
    }

    /// Undoes what was begun.
    pub(super) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        self.run("ROLLBACK").await
    }

    /// Closes it in order; on SQLite the last one to leave tidies up the write-ahead log.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
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
    pub(super) fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(SqliteArguments::default()),
            Engine::Postgres => Self::Postgres(PgArguments::default()),
        }
    }

    /// Makes place for this many.
    pub(super) fn reserve(&mut self, count: usize) {
        match self {
            Self::Sqlite(arguments) => arguments.reserve(count, 0),
            Self::Postgres(arguments) => arguments.reserve(count, count * 16),
        }
    }

    /// Adds text that is shared, without a copy where the engine allows it.
    pub(super) fn shared(&mut self, text: Option<&Arc<str>>) -> Result<(), sqlx::Error> {
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
    pub(super) fn text(&mut self, text: Option<&str>) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => arguments.add(text),
            Self::Postgres(arguments) => arguments.add(text),
        }
        .map_err(sqlx::Error::Encode)
    }

    /// Adds a number.
    pub(super) fn int(&mut self, number: Option<i64>) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => arguments.add(number),
            Self::Postgres(arguments) => arguments.add(number),
        }
        .map_err(sqlx::Error::Encode)
    }

    /// Adds bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(arguments) => arguments.add(bytes),
            Self::Postgres(arguments) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)
    }
}

impl Row {
    /// The text in this column.
    pub(super) fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// The number in this column.
    pub(super) fn int(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// The number in this column; 0 for none.
    pub(super) fn count(&self, column: usize) -> Result<i64, sqlx::Error> {
        Ok(self.int(column)?.unwrap_or_default())
    }

    /// The bytes in this column.
    pub(super) fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}
