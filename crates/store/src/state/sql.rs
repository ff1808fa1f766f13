//! State in SQLite (`state.db`) and in the ledger's PostgreSQL.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sqlx::AssertSqlSafe;
use sqlx::migrate::{MigrateError, Migrator};
use uuid::Uuid;

use super::entries::{Entry, Found, is_lifted, op};
use super::error::StateError;
use super::mark::{Access, Mark, Node, Written};
use crate::ledger::engine::{Arguments, Connection, Engine, Purpose, Row, Target};
use crate::ledger::error::reason;

/// Number of entries of a page.
const PAGE: usize = 5_000;
/// Number of versions that are remembered. A server that has not looked for longer reads all entries.
const VERSIONS: i64 = 10_000;
/// The table of applied migrations. In PostgreSQL the ledger's own is beside it.
const MIGRATIONS: &str = "callsign_state_migrations";

/// A database with the tables of state.
#[derive(Debug)]
pub(super) struct SqlPlace {
    target: Target,
    access: Access,
    connection: Option<Connection>,
    /// The inode of the open file, to notice that it was replaced or deleted.
    inode: Option<u64>,
}

/// Returns the migrations of an engine.
fn migrations(engine: Engine) -> Migrator {
    let mut migrator = match engine {
        Engine::Sqlite => sqlx::migrate!("migrations/state/sqlite"),
        Engine::Postgres => sqlx::migrate!("migrations/state/postgres"),
    };
    migrator.dangerous_set_table_name(MIGRATIONS);
    migrator
}

/// Returns the version of the tables in SQLite.
pub(crate) fn latest_schema() -> i64 {
    migrations(Engine::Sqlite).iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Returns the path of the state's file.
pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join("state.db")
}

/// Creates the file with access for its owner only. SQLite gives its other files the same mode.
///
/// # Errors
/// I/O errors, except that the file exists.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        crate::ledger::home::make(directory)?;
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

impl SqlPlace {
    pub(super) fn new(target: Target, access: Access) -> Self {
        Self { target, access, connection: None, inode: None }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.target.engine() {
            Engine::Sqlite => "state.db",
            Engine::Postgres => "PostgreSQL (CALLSIGN_LEDGER)",
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    fn failed(&self, error: &sqlx::Error) -> StateError {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // SQLite's primary codes for a damaged file and for a file that is no database.
        let is_damaged = matches!(code.as_deref().and_then(|code| code.parse::<u32>().ok()), Some(11 | 26));
        match self.target.engine() {
            Engine::Sqlite if is_damaged => StateError::Damaged(reason(error)),
            _ => StateError::Unavailable { place: self.name(), reason: reason(error) },
        }
    }

    /// Takes the connection, or opens one and checks its tables. A caller that succeeds puts it back.
    async fn take(&mut self) -> Result<Connection, StateError> {
        let inode = match &self.target {
            Target::Sqlite(path) => std::fs::metadata(path).ok().map(|file| file.ino()),
            Target::Postgres(_) => None,
        };
        if let Some(connection) = self.connection.take().filter(|_| self.inode == inode) {
            return Ok(connection);
        }
        let mut is_new = false;
        if let Target::Sqlite(path) = &self.target {
            is_new = inode.is_none();
            create(path).map_err(|error| StateError::Unavailable { place: "state.db", reason: error.to_string() })?;
            self.inode = std::fs::metadata(path).ok().map(|file| file.ino());
        }
        let mut connection = self.target.connect(Purpose::WriteDurably).await.map_err(|error| self.failed(&error))?;
        if self.access == Access::Server || is_new {
            self.migrate(&mut connection).await?;
        } else {
            self.check(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn migrate(&self, connection: &mut Connection) -> Result<(), StateError> {
        let migrator = migrations(self.target.engine());
        let migrated = match connection {
            Connection::Sqlite(connection) => migrator.run_direct(None, connection.as_mut(), false).await,
            Connection::Postgres(connection) => migrator.run_direct(None, connection.as_mut(), false).await,
        };
        migrated.map_err(|error| match error {
            MigrateError::VersionMissing(_) => StateError::Newer(self.name()),
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.failed(&error),
            other => StateError::Unavailable { place: self.name(), reason: other.to_string() },
        })
    }

    /// Checks that the tables are those of this version.
    async fn check(&self, connection: &mut Connection) -> Result<(), StateError> {
        let latest = migrations(self.target.engine()).iter().map(|migration| migration.version).max();
        let sql = format!("SELECT MAX(version) FROM {MIGRATIONS}");
        let arguments = connection.arguments();
        let applied = match connection.fetch(AssertSqlSafe(sql), arguments).await {
            Ok(rows) => rows.first().and_then(|row| row.int(0).ok().flatten()),
            Err(error) => match self.failed(&error) {
                damaged @ StateError::Damaged(_) => return Err(damaged),
                _ if error.as_database_error().is_some() => None,
                failed => return Err(failed),
            },
        };
        match applied.cmp(&latest) {
            std::cmp::Ordering::Less => Err(StateError::NotPrepared(self.name())),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(StateError::Newer(self.name())),
        }
    }

    /// Returns the expression of the database's clock in milliseconds.
    fn now(&self) -> &'static str {
        match self.target.engine() {
            Engine::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Engine::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    async fn fetch(&mut self, sql: String) -> Result<Vec<Row>, StateError> {
        self.fetch_with(sql, |_| Ok(())).await
    }

    /// Runs a statement with the arguments that `bind` adds.
    async fn fetch_with(
        &mut self,
        sql: String,
        bind: impl FnOnce(&mut Arguments) -> Result<(), sqlx::Error>,
    ) -> Result<Vec<Row>, StateError> {
        let mut connection = self.take().await?;
        let fetched = async {
            let mut arguments = connection.arguments();
            bind(&mut arguments)?;
            connection.fetch(AssertSqlSafe(sql), arguments).await
        };
        let rows = fetched.await.map_err(|error| self.failed(&error))?;
        self.connection = Some(connection);
        Ok(rows)
    }

    pub(super) async fn mark(&mut self) -> Result<Mark, StateError> {
        let rows = self.fetch("SELECT number, token FROM callsign_mark".to_owned()).await?;
        rows.first().map_or_else(|| Ok(Mark::default()), |row| mark(row).map_err(|error| self.failed(&error)))
    }

    pub(super) async fn changes(&mut self, since: &Mark) -> Result<Option<(Mark, Found)>, StateError> {
        // One statement, so that version and entries are of one moment.
        let sql = format!(
            "SELECT m.number, m.token, e.kind, e.op, e.lifted, e.body FROM callsign_mark m \
             JOIN callsign_versions v ON v.number = $1 AND v.token = $2 \
             LEFT JOIN callsign_entries e ON e.changed > $1 LIMIT {}",
            PAGE + 1
        );
        let version = |arguments: &mut Arguments| {
            arguments.int(Some(since.number))?;
            arguments.text(Some(&since.token))
        };
        let rows = self.fetch_with(sql, version).await?;
        match rows.first() {
            Some(first) if rows.len() <= PAGE => {
                let mark = mark(first).map_err(|error| self.failed(&error))?;
                Ok(Some((mark, found(&rows, 2).0)))
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn page(&mut self, after: &str) -> Result<(Found, Option<String>), StateError> {
        let (kind, op) = after.split_once(' ').unwrap_or_default();
        let sql = format!(
            "SELECT kind, op, lifted, body FROM callsign_entries WHERE (kind, op) > ($1, $2) \
             ORDER BY kind, op LIMIT {PAGE}"
        );
        let place = |arguments: &mut Arguments| {
            arguments.text(Some(kind))?;
            arguments.text(Some(op))
        };
        let rows = self.fetch_with(sql, place).await?;
        let (found, last) = found(&rows, 0);
        Ok((found, last.filter(|_| rows.len() == PAGE)))
    }

    pub(super) async fn write(&mut self, entries: &[Entry]) -> Result<Written, StateError> {
        let mut connection = self.take().await?;
        let written = write(&mut connection, entries).await.map_err(|error| self.failed(&error))?;
        if connection.engine() == Engine::Sqlite && entries.iter().any(|entry| entry.lifted) {
            // The log has the earlier text until it is truncated. A busy log is truncated with a later change.
            let truncated = connection.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
            truncated.map_err(|error| self.failed(&error))?;
        }
        self.connection = Some(connection);
        Ok(written)
    }

    pub(super) async fn remove(&mut self, entries: &[Entry]) -> Result<(), StateError> {
        let mut connection = self.take().await?;
        let removed = async {
            connection.begin().await?;
            for entry in entries {
                let mut arguments = connection.arguments();
                arguments.text(Some(&entry.kind))?;
                arguments.text(Some(&entry.op.simple().to_string()))?;
                let sql = "DELETE FROM callsign_entries WHERE kind = $1 AND op = $2 AND lifted = 1";
                connection.execute(sql, arguments).await?;
            }
            connection.commit().await
        };
        removed.await.map_err(|error| self.failed(&error))?;
        self.connection = Some(connection);
        Ok(())
    }

    pub(super) async fn beat(&mut self, node: &str, name: &str, of: &Mark) -> Result<bool, StateError> {
        let sql = format!(
            "INSERT INTO callsign_nodes (node, name, applied, seen_ms) \
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), number, {} FROM callsign_mark WHERE token = $3 \
             ON CONFLICT (node) DO UPDATE SET applied = excluded.applied, seen_ms = excluded.seen_ms",
            self.now()
        );
        let mut connection = self.take().await?;
        let beaten = async {
            let mut arguments = connection.arguments();
            for text in [node, name, &of.token] {
                arguments.text(Some(text))?;
            }
            connection.execute(AssertSqlSafe(sql), arguments).await
        };
        let rows = beaten.await.map_err(|error| self.failed(&error))?;
        self.connection = Some(connection);
        Ok(rows == 1)
    }

    pub(super) async fn nodes(&mut self) -> Result<Vec<Node>, StateError> {
        let now = self.now();
        let sql =
            format!("SELECT node, name, applied, {now} - seen_ms FROM callsign_nodes WHERE seen_ms > {now} - 86400000");
        let rows = self.fetch(sql).await?;
        rows.iter().map(node).collect::<Result<_, _>>().map_err(|error| self.failed(&error))
    }

    /// Removes all servers.
    pub(super) async fn forget_nodes(&mut self) -> Result<(), StateError> {
        self.fetch("DELETE FROM callsign_nodes".to_owned()).await.map(drop)
    }

    pub(super) async fn leave(&mut self, node: &str) -> Result<(), StateError> {
        let now = self.now();
        let sql = format!("DELETE FROM callsign_nodes WHERE node = $1 OR seen_ms < {now} - 86400000");
        let mut connection = self.take().await?;
        let mut arguments = connection.arguments();
        arguments.text(Some(node)).map_err(|error| self.failed(&error))?;
        connection.execute(AssertSqlSafe(sql), arguments).await.map_err(|error| self.failed(&error))?;
        connection.close().await.map_err(|error| self.failed(&error))
    }
}

async fn write(connection: &mut Connection, entries: &[Entry]) -> Result<Written, sqlx::Error> {
    connection.begin().await?;
    let lock = match connection.engine() {
        Engine::Sqlite => "SELECT token FROM callsign_mark",
        // Writers follow one another, so that numbers are in the order of commits.
        Engine::Postgres => "SELECT token FROM callsign_mark FOR UPDATE",
    };
    let arguments = connection.arguments();
    let before = connection.fetch(lock, arguments).await?;
    let before = before.first().map(|row| row.text(0)).transpose()?.flatten().unwrap_or_default();
    let token = Uuid::now_v7().simple().to_string();
    let mut arguments = connection.arguments();
    arguments.text(Some(&token))?;
    let sql = "UPDATE callsign_mark SET number = number + 1, token = $1 RETURNING number";
    let number = connection.fetch(sql, arguments).await?;
    let number = number.first().map(|row| row.count(0)).transpose()?.unwrap_or_default();
    for entry in entries {
        let mut arguments = connection.arguments();
        arguments.text(Some(&entry.kind))?;
        arguments.text(Some(&entry.op.simple().to_string()))?;
        arguments.int(Some(i64::from(entry.lifted)))?;
        arguments.text(Some(&entry.body))?;
        arguments.int(Some(number))?;
        let sql = "INSERT INTO callsign_entries (kind, op, lifted, body, changed) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (kind, op) DO UPDATE \
                   SET lifted = excluded.lifted, body = excluded.body, changed = excluded.changed \
                   WHERE callsign_entries.lifted = 0 OR length(callsign_entries.body) > 20 \
                   OR (excluded.lifted = 1 AND excluded.body > callsign_entries.body)";
        connection.execute(sql, arguments).await?;
    }
    let mut arguments = connection.arguments();
    arguments.int(Some(number))?;
    arguments.text(Some(&token))?;
    let sql = "INSERT INTO callsign_versions (number, token) VALUES ($1, $2) \
               ON CONFLICT (number) DO UPDATE SET token = excluded.token";
    connection.execute(sql, arguments).await?;
    let mut arguments = connection.arguments();
    arguments.int(Some(number - VERSIONS))?;
    connection.execute("DELETE FROM callsign_versions WHERE number < $1", arguments).await?;
    connection.commit().await?;
    Ok(Written { before, after: Mark { number, token } })
}

fn mark(row: &Row) -> Result<Mark, sqlx::Error> {
    Ok(Mark { number: row.count(0)?, token: row.text(1)?.unwrap_or_default() })
}

/// Reads entries from the columns that begin at `first`. Returns them and the place of the last one.
fn found(rows: &[Row], first: usize) -> (Found, Option<String>) {
    let (mut found, mut last) = (Found::default(), None);
    for row in rows {
        let place = (row.text(first).ok().flatten(), row.text(first + 1).ok().flatten());
        if let (Some(kind), Some(op)) = place {
            last = Some(format!("{kind} {op}"));
        }
        match entry(row, first) {
            Ok(Some(entry)) => found.entries.push(entry),
            Ok(None) => {}
            Err(()) => found.unreadable += 1,
        }
    }
    (found, last)
}

/// Reads an entry; `None` if the row has none, as without changes.
fn entry(row: &Row, first: usize) -> Result<Option<Entry>, ()> {
    let Some(kind) = row.text(first).map_err(drop)? else { return Ok(None) };
    // An entry whose other columns are damaged is in force, and its reader decides what its text still says.
    let op = op(&row.lossy_text(first + 1));
    let body = row.lossy_text(first + 3);
    let lifted = is_lifted(row.count(first + 2).is_ok_and(|mark| mark != 0), &body);
    Ok(Some(Entry { kind: kind.into(), op, lifted, body: body.into() }))
}

fn node(row: &Row) -> Result<Node, sqlx::Error> {
    let age = std::time::Duration::from_millis(u64::try_from(row.count(3)?).unwrap_or_default());
    let text = |column| Ok::<_, sqlx::Error>(row.text(column)?.unwrap_or_default());
    Ok(Node { node: text(0)?, name: text(1)?, applied: row.count(2)?, age })
}
