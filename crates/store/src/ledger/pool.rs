//! A pool of read-only connections. A database without tables returns empty results.

use parking_lot::Mutex;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::engine::{Arguments, Connection, Engine, Purpose, Row, Target};
use super::error::LedgerError;

/// Maximum number of concurrent queries. Further ones wait.
const CONNECTIONS: usize = 4;

/// A pool of read-only connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Target,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Pool {
    pub(super) fn new(target: Target) -> Self {
        Self(Arc::new(Inner { target, idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS) }))
    }

    pub(super) fn engine(&self) -> Engine {
        self.0.target.engine()
    }

    /// Runs a query. After an error the connection is dropped.
    pub(super) async fn fetch(&self, question: Question) -> Result<Vec<Row>, LedgerError> {
        if let Target::Sqlite(path) = &self.0.target
            && !path.exists()
        {
            return Ok(Vec::new());
        }
        // Cannot fail: the semaphore is not closed anywhere.
        let _permit = self.0.permits.acquire().await.map_err(|_| LedgerError::Off)?;
        let idle = self.0.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.0.target.connect(Purpose::Read).await?,
        };
        match connection.fetch(sqlx::AssertSqlSafe(question.sql), question.arguments).await {
            Ok(rows) => {
                self.0.idle.lock().push(connection);
                Ok(rows)
            }
            Err(error) if has_no_table(&error) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns true if the error means that the database has no tables yet.
fn has_no_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

/// A query under construction.
#[derive(Debug)]
pub(super) struct Question {
    sql: String,
    arguments: Arguments,
    count: usize,
}

impl Question {
    pub(super) fn new(engine: Engine) -> Self {
        Self { sql: String::new(), arguments: Arguments::new(engine), count: 0 }
    }

    /// Adds SQL text. Values are added as arguments, not as SQL.
    pub(super) fn sql(mut self, sql: &str) -> Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds text as an argument.
    pub(super) fn text(self, text: &str) -> Result<Self, LedgerError> {
        self.argument(|arguments| arguments.text(Some(text)))
    }

    /// Adds a number as an argument.
    pub(super) fn int(self, number: i64) -> Result<Self, LedgerError> {
        self.argument(|arguments| arguments.int(Some(number)))
    }

    /// Adds bytes as an argument.
    pub(super) fn bytes(self, bytes: &[u8]) -> Result<Self, LedgerError> {
        self.argument(|arguments| arguments.bytes(bytes))
    }

    fn argument(mut self, add: impl FnOnce(&mut Arguments) -> Result<(), sqlx::Error>) -> Result<Self, LedgerError> {
        add(&mut self.arguments)?;
        self.count += 1;
        self.sql.push('$');
        self.sql.push_str(&self.count.to_string());
        Ok(self)
    }
}
