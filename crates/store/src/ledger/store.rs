//! The writer's access to the database. Every change is one transaction, and repeating a write does not change a sum:
//!
//! * A row is written by its id. A finished row does not change any more.
//! * The ids of newly finished rows are in `pending` until the sums contain them. Each of the two steps is one
//!   transaction.
//! * `replay`, for rows that may have been written before, first queries which ids are finished.
//!
//! After an error the store is dropped with its connection, which rolls back an open transaction.

mod apply;
mod claim;
pub(super) mod forget;
mod price;
pub(super) mod retain;
mod statements;

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::migrate::{MigrateError, Migrator};
use uuid::Uuid;

use self::statements::{Statements, bind_context, bind_row};
use super::engine::{Connection, Purpose, Target};
use super::error::LedgerError;
use super::grain::now_us;
use super::insert::placeholders;
use super::row::Row;
use super::tally::Tally;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Maximum number of cached context ids, of 8 bytes each.
const REMEMBERED: usize = 200_000;
/// Ids per query.
const IDS: usize = 256;

/// A connection that writes, with its prepared statements.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    statements: Arc<Statements>,
    /// SQLite's file and its inode number, for detecting that the file was deleted or replaced while it is open.
    file: Option<(PathBuf, u64)>,
    /// The id of this process.
    node: Arc<str>,
    /// The number of the next batch in `pending`.
    batch: i64,
    /// Ids of contexts that are already in the table.
    contexts: HashSet<i64>,
    /// The count of `forget` runs at which `contexts` was valid.
    forgotten: i64,
    /// Digests of users and identifiers that are already in the table.
    known: HashSet<u64>,
    hasher: std::hash::RandomState,
}

/// The state of a batch's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The rows are in `pending`, and not yet in the sums.
    Pending,
    /// The rows are in the sums.
    Folded,
}

/// Migrates the tables to this program's version.
async fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let migrated = match connection {
        Connection::Sqlite(connection) => SQLITE.run_direct(None, connection.as_mut(), false).await,
        Connection::Postgres(connection) => POSTGRES.run_direct(None, connection.as_mut(), false).await,
    };
    migrated.map_err(|error| {
        LedgerError::Open(match error {
            MigrateError::VersionMissing(_) => "a newer callsign has written to it".to_owned(),
            other => other.to_string(),
        })
    })
}

/// Returns a file's inode number, if it exists.
fn number(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.ino())
}

impl Store {
    /// Connects, and migrates the tables to this program's version.
    pub(super) async fn open(target: Target, purpose: Purpose, node: Arc<str>) -> Result<Self, LedgerError> {
        let connection = target.connect(purpose).await;
        let mut connection = connection.map_err(|error| LedgerError::Open(super::error::reason(&error)))?;
        migrate(&mut connection).await?;
        let statements = Arc::new(Statements::new(connection.engine()));
        let (known, hasher) = (HashSet::new(), std::hash::RandomState::new());
        let file = match target {
            Target::Sqlite(path) => number(&path).map(|number| (path, number)),
            Target::Postgres(_) => None,
        };
        let (batch, contexts, forgotten) = (now_us(), HashSet::new(), -1);
        Ok(Self { connection, statements, file, node, batch, contexts, forgotten, known, hasher })
    }

    /// Writes rows with different ids. The first `fresh` rows were not written before; the others may exist as begun.
    pub(super) async fn write(&mut self, rows: &[Row], fresh: usize) -> Result<Written, sqlx::Error> {
        if self.file.as_ref().is_some_and(|(path, known)| number(path) != Some(*known)) {
            return Err(sqlx::Error::Io(std::io::ErrorKind::NotFound.into()));
        }
        self.connection.begin().await?;
        self.write_contexts(rows).await?;
        let statements = Arc::clone(&self.statements);
        let (fresh, again) = rows.split_at(fresh.min(rows.len()));
        statements.fresh_rows.run(&mut self.connection, fresh, bind_row).await?;
        let changed = statements.rows.run(&mut self.connection, again, bind_row).await?;
        if changed != again.len() as u64 {
            // Another process has taken over one of the rows, so only new rows may be counted.
            self.connection.rollback().await?;
            self.contexts.clear();
            self.replay(rows).await?;
            return Ok(Written::Folded);
        }
        let mut ids = Vec::with_capacity(rows.len() * 16);
        for row in rows.iter().filter(|row| row.ended.is_some()) {
            ids.extend_from_slice(row.id.as_bytes());
        }
        if !ids.is_empty() {
            let mut arguments = self.connection.arguments();
            arguments.shared(Some(&self.node))?;
            arguments.int(Some(self.batch))?;
            arguments.bytes(&ids)?;
            let sql = "INSERT INTO pending (node, batch, ids) VALUES ($1, $2, $3)";
            self.connection.execute(sql, arguments).await?;
            self.batch += 1;
        }
        self.connection.commit().await?;
        Ok(Written::Pending)
    }

    /// Writes the contexts of rows that are not in the table yet.
    async fn write_contexts(&mut self, rows: &[Row]) -> Result<(), sqlx::Error> {
        let mut new = Vec::new();
        for row in rows {
            // If the transaction fails, the store and this cache are dropped.
            if self.contexts.insert(row.context.id) {
                new.push(Arc::clone(&row.context));
            }
        }
        let statements = Arc::clone(&self.statements);
        new.sort_by_key(|context| context.id);
        statements.contexts.run(&mut self.connection, &new, |context, to| bind_context(context, to)).await?;
        if self.contexts.len() > REMEMBERED {
            self.contexts.clear();
        }
        Ok(())
    }

    /// Writes rows that may have been written before, and counts each once.
    pub(super) async fn replay(&mut self, rows: &[Row]) -> Result<(), sqlx::Error> {
        // Of two lines for one request, the finished one is used.
        let mut latest: HashMap<Uuid, &Row> = HashMap::new();
        for row in rows {
            let known = latest.entry(row.id).or_insert(row);
            if known.ended.is_none() {
                *known = row;
            }
        }
        self.connection.begin().await?;
        let finished = self.finished_among(latest.keys().copied()).await?;
        let mut fresh: Vec<Row> =
            latest.into_values().filter(|row| !finished.contains(&row.id)).map(Clone::clone).collect();
        fresh.sort_by_key(|row| row.id);
        self.know_nodes(&fresh).await?;
        self.write_contexts(&fresh).await?;
        let statements = Arc::clone(&self.statements);
        let changed = statements.rows.run(&mut self.connection, &fresh, bind_row).await?;
        if changed != fresh.len() as u64 {
            // An earlier write of these rows was committed meanwhile. The caller retries.
            return Err(sqlx::Error::Protocol("rows changed meanwhile".to_owned()));
        }
        let mut tally = Tally::default();
        for row in &fresh {
            tally.add(row);
        }
        self.apply(&tally.folded()).await?;
        self.connection.commit().await
    }

    /// Returns the ids that are finished.
    async fn finished_among(&mut self, ids: impl Iterator<Item = Uuid>) -> Result<HashSet<Uuid>, sqlx::Error> {
        let ids: Vec<_> = ids.collect();
        let sql: Arc<str> =
            format!("SELECT id FROM requests WHERE ending IS NOT NULL AND id IN ({})", placeholders(IDS)).into();
        let mut finished = HashSet::new();
        for chunk in ids.chunks(IDS) {
            for row in self.fetch_by_ids(&sql, chunk).await? {
                finished.extend(Uuid::from_slice(&row.bytes(0)?));
            }
        }
        Ok(finished)
    }

    /// Runs a query with [`IDS`] ids. If there are fewer, the last one is repeated.
    async fn fetch_by_ids(&mut self, sql: &Arc<str>, ids: &[Uuid]) -> Result<Vec<super::engine::Row>, sqlx::Error> {
        let Some(last) = ids.last() else { return Ok(Vec::new()) };
        let mut arguments = self.connection.arguments();
        for id in ids.iter().chain(std::iter::repeat(last)).take(IDS) {
            arguments.bytes(id.as_bytes())?;
        }
        self.connection.fetch(sqlx::AssertSqlSafe(Arc::clone(sql)), arguments).await
    }

    /// Registers the processes of these rows if they are unknown, so that other processes can take the rows over.
    async fn know_nodes(&mut self, rows: &[Row]) -> Result<(), sqlx::Error> {
        let nodes: HashSet<_> = rows.iter().filter(|row| row.ended.is_none()).map(|row| &row.node).collect();
        for node in nodes {
            let mut arguments = self.connection.arguments();
            arguments.shared(Some(node))?;
            let sql = "INSERT INTO nodes (node, seen_us) VALUES ($1, 0) ON CONFLICT (node) DO NOTHING";
            self.connection.execute(sql, arguments).await?;
        }
        Ok(())
    }

    /// Adds the sums to the tables, and empties this process's `pending`. Returns the number of users that newly share
    /// an identifier with another user.
    pub(super) async fn fold(&mut self, tally: &Tally) -> Result<usize, sqlx::Error> {
        self.connection.begin().await?;
        let collisions = self.apply(&tally.folded()).await?;
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&self.node))?;
        self.connection.execute("DELETE FROM pending WHERE node = $1", arguments).await?;
        let forgotten = self.connection.fetch("SELECT forgotten FROM retained", self.connection.arguments()).await?;
        let forgotten = forgotten.first().map_or(Ok(0), |row| row.count(0))?;
        self.connection.commit().await?;
        if forgotten != self.forgotten {
            // Forgetting a user deletes their contexts. They must be written again if the user returns.
            self.contexts.clear();
            self.forgotten = forgotten;
        }
        Ok(collisions)
    }

    /// Writes this process's heartbeat.
    pub(super) async fn heartbeat(&mut self) -> Result<(), sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&self.node))?;
        arguments.int(Some(now_us()))?;
        let sql = "INSERT INTO nodes (node, seen_us) VALUES ($1, $2) \
                   ON CONFLICT (node) DO UPDATE SET seen_us = excluded.seen_us";
        self.connection.execute(sql, arguments).await.map(drop)
    }

    /// Closes the connection.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}
