//! The writer's access to the database. Every change is one transaction, which writes the rows, and what they add to the
//! sums or a note that it is still to be added (`unsummed`). So each row counts exactly once. A finished row does not
//! change any more, apart from a late cost, so repeating a write does not count a request twice.
//!
//! After an error the store is dropped with its connection, which rolls back an open transaction. The exception is a
//! row that the database refuses: it is set aside (`reject`), and the others are written.

mod claim;
pub(super) mod columns;
mod contexts;
mod fold;
pub(super) mod forget;
pub(super) mod late_cost;
mod late_end;
mod place;
mod put_off;
pub(super) mod raise;
mod reject;
mod repair;
pub(super) mod retain;
mod spilled;
mod state;
mod statements;
mod unname;
mod unsummed;

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use callsign_core::request_id::RequestId;
use sqlx::migrate::{MigrateError, Migrator};

use self::columns::bind_row;
use self::contexts::Contexts;
use self::put_off::{LARGE, PutOff};
use self::state::State;
use self::statements::{Statements, bind_identifier, bind_listed, bind_person, bind_speed, bind_sums};
use super::engine::{Connection, Purpose, Target};
use super::error::{LedgerError, is_refusal};
use super::increments::{Increments, SENT, USER};
use super::insert::placeholders;
use super::row::{Row, ending_code};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Maximum number of cached digests, of 8 bytes each.
const REMEMBERED: usize = 200_000;
/// Values per query.
const VALUES: usize = 256;
/// Attempts to create the tables, and the time between them. All of them together are shorter than any time limit for
/// opening a database.
const ATTEMPTS: u32 = 10;
const ATTEMPT: Duration = Duration::from_millis(20);

/// A connection that writes, with its prepared statements.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    statements: Arc<Statements>,
    /// SQLite's file and its inode number, for detecting that the file was deleted or replaced while it is open.
    file: Option<(PathBuf, u64)>,
    /// The id of this process.
    node: Arc<str>,
    /// Digests of users and their identifiers that were compared with others.
    known: HashSet<u64>,
    /// The contexts in the tables.
    contexts: Contexts,
    /// The row of the table `state` at the begin of the open transaction.
    state: State,
    purpose: Purpose,
    /// The increments of large batches.
    put_off: PutOff,
    /// The part of the table `identifiers` that retention searches next.
    slice: i64,
    hasher: std::hash::RandomState,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Users that newly share an identifier with another user.
    pub(super) collisions: usize,
    /// Rows that the database refused.
    pub(super) rejected: usize,
}

impl Written {
    /// Returns the results of two writes together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { collisions: self.collisions + other.collisions, rejected: self.rejected + other.rejected }
    }
}

/// Returns the version of the tables in SQLite.
pub(crate) fn latest_schema() -> i64 {
    SQLITE.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Migrates the tables to this program's version.
async fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let mut attempts = 0;
    let migrated = loop {
        attempts += 1;
        let migrated = match connection {
            Connection::Sqlite(connection) => SQLITE.run_direct(None, connection.as_mut(), false).await,
            Connection::Postgres(connection) => POSTGRES.run_direct(None, connection.as_mut(), false).await,
        };
        match migrated {
            // On SQLite another process may create the same tables now. PostgreSQL has a lock for it.
            Err(MigrateError::ExecuteMigration(..) | MigrateError::Execute(_)) if attempts < ATTEMPTS => {
                tokio::time::sleep(ATTEMPT).await;
            }
            migrated => break migrated,
        }
    };
    migrated.map_err(|error| {
        LedgerError::Open(match error {
            MigrateError::VersionMissing(_) => "a newer callsign has written to it".to_owned(),
            MigrateError::VersionMismatch(_) => {
                "its tables are those of a callsign before the first release; move the database away".to_owned()
            }
            other => other.to_string(),
        })
    })
}

/// Returns a file's inode number, if it exists.
fn number(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.ino())
}

/// Makes sure that only the owner can read the file. SQLite gives its other files the same mode.
///
/// An existing file must not be opened here: closing it would release the locks that other connections of this process
/// hold on it, because POSIX locks belong to a process and not to an open file.
fn protect(path: &Path) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        created => return created.map(drop),
    }
    let metadata = std::fs::metadata(path)?;
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

impl Store {
    /// Connects, and migrates the tables to this program's version.
    pub(super) async fn open(target: Target, purpose: Purpose, node: Arc<str>) -> Result<Self, LedgerError> {
        if let Target::Sqlite(path) = &target {
            protect(path).map_err(|error| LedgerError::Open(error.to_string()))?;
        }
        let connection = target.connect(purpose).await;
        let mut connection = connection.map_err(|error| LedgerError::Open(super::error::reason(&error)))?;
        migrate(&mut connection).await?;
        let statements = Arc::new(Statements::new(connection.engine()));
        let file = match target {
            Target::Sqlite(path) => number(&path).map(|number| (path, number)),
            Target::Postgres(_) => None,
        };
        Ok(Self {
            connection,
            statements,
            file,
            node,
            known: HashSet::new(),
            contexts: Contexts::default(),
            state: State::default(),
            put_off: PutOff::default(),
            purpose,
            slice: 0,
            hasher: std::hash::RandomState::new(),
        })
    }

    /// Writes rows with different ids, and adds finished ones to the sums. The first `fresh` rows were not written
    /// before; the others may exist as begun.
    pub(super) async fn write(&mut self, rows: &[Row], fresh: usize) -> Result<Written, sqlx::Error> {
        self.check_file()?;
        match self.write_once(rows, fresh).await {
            Err(error) if is_refusal(&error) => self.write_each(rows).await,
            written => written,
        }
    }

    async fn write_once(&mut self, rows: &[Row], fresh: usize) -> Result<Written, sqlx::Error> {
        let placed = self.begin_with(rows).await?;
        let statements = Arc::clone(&self.statements);
        let (fresh, again) = placed.split_at(fresh.min(placed.len()));
        statements.fresh_rows.run(&mut self.connection, fresh, bind_row).await?;
        let changed = statements.rows.run(&mut self.connection, again, bind_row).await?;
        if changed != again.len() as u64 {
            // Another process has taken over one of the rows, so only new rows may be counted.
            self.connection.rollback().await?;
            return self.replay(rows).await;
        }
        if rows.iter().filter(|row| row.ended.is_some()).count() >= LARGE {
            self.note_unsummed(&placed).await?;
            self.commit().await?;
            self.put_off.add(&placed);
            return Ok(Written::default());
        }
        let collisions = self.apply(Increments::of(&placed)).await?;
        self.commit().await?;
        Ok(Written { collisions, rejected: 0 })
    }

    /// Writes rows that may have been written before, and counts each once.
    pub(super) async fn replay(&mut self, rows: &[Row]) -> Result<Written, sqlx::Error> {
        self.check_file()?;
        match self.replay_once(rows).await {
            Err(error) if is_refusal(&error) => self.write_each(rows).await,
            written => written,
        }
    }

    async fn replay_once(&mut self, rows: &[Row]) -> Result<Written, sqlx::Error> {
        // Of two rows for one request, the finished one is used.
        let mut latest: HashMap<RequestId, &Row> = HashMap::new();
        for row in rows {
            let known = latest.entry(row.begun.id).or_insert(row);
            if known.ended.is_none() {
                *known = row;
            }
        }
        let mut fresh: Vec<&Row> = latest.into_values().collect();
        fresh.sort_by_key(|row| row.begun.id);
        let mut placed = self.begin_with(fresh.iter().copied()).await?;
        let finished = self.finished_among(fresh.iter().map(|row| row.begun.id).collect()).await?;
        placed.retain(|placed| !finished.contains_key(&placed.row.begun.id));
        self.know_nodes(placed.iter().map(|placed| placed.row)).await?;
        let statements = Arc::clone(&self.statements);
        let changed = statements.rows.run(&mut self.connection, &placed, bind_row).await?;
        if changed != placed.len() as u64 {
            // An earlier write of these rows was committed meanwhile. The caller retries.
            return Err(sqlx::Error::Protocol("rows changed meanwhile".to_owned()));
        }
        let collisions = self.apply(Increments::of(&placed)).await?;
        for row in fresh.iter().filter(|row| finished.get(&row.begun.id) == Some(&true)) {
            if row.ended.as_ref().is_some_and(|ended| ended.outcome.is_some()) {
                self.end_late(row).await?;
            }
        }
        self.commit().await?;
        Ok(Written { collisions, rejected: 0 })
    }

    /// Writes the increments within the current transaction. Returns the number of users that newly share an
    /// identifier with another user.
    async fn apply(&mut self, mut increments: Increments) -> Result<usize, sqlx::Error> {
        let collisions = self.collisions(&increments).await?;
        increments.spread(self.state.folded_us, self.state.from_us);
        let statements = Arc::clone(&self.statements);
        let connection = &mut self.connection;
        let Increments { people, identifiers, sums, speed, listed, .. } = &increments;
        statements.people.run(connection, &people.iter().collect::<Vec<_>>(), bind_person).await?;
        statements.identifiers.run(connection, &identifiers.iter().collect::<Vec<_>>(), bind_identifier).await?;
        statements.sums.run(connection, &sums.iter().collect::<Vec<_>>(), bind_sums).await?;
        statements.speed.run(connection, &speed.iter().collect::<Vec<_>>(), bind_speed).await?;
        statements.listed.run(connection, listed, bind_listed).await?;
        Ok(collisions)
    }

    /// Begins a transaction that may write names or add increments. If somebody was forgotten since the last one, nobody
    /// is known to be in the tables any more.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.contexts.undo();
        self.connection.begin().await?;
        let state = State::read(&mut self.connection).await?;
        if state.forgotten != self.state.forgotten {
            self.known.clear();
            self.contexts.clear();
        }
        self.state = state;
        Ok(())
    }

    /// Commits such a transaction. Only now are its contexts known to be in the tables.
    async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.connection.commit().await?;
        self.contexts.keep();
        Ok(())
    }

    /// Returns the number of users whose identifier is new for them and was sent for another user of their tenant.
    async fn collisions(&mut self, increments: &Increments) -> Result<usize, sqlx::Error> {
        let hasher = &self.hasher;
        let mut new = Vec::new();
        for ((digest, kind, person), carried) in &increments.identifiers {
            let Some(of) = increments.people.get(person).filter(|_| *kind == USER && carried.way & SENT != 0) else {
                continue;
            };
            let [tenant, _, user] = of.labels.person();
            if !user.is_empty() && self.known.insert(hasher.hash_one((*digest, tenant, user))) {
                new.push((*digest, tenant, user));
            }
        }
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let sql: Arc<str> = format!(
            "SELECT i.digest, p.tenant, p.user_id FROM identifiers i JOIN people p ON p.person = i.person \
             WHERE i.kind = 0 AND i.way >= 2 AND p.user_id <> '' AND i.digest IN ({})",
            placeholders(VALUES)
        )
        .into();
        let mut there: HashSet<(i64, String, String)> = HashSet::new();
        for chunk in new.chunks(VALUES) {
            let Some(last) = chunk.last() else { break };
            let mut arguments = self.connection.arguments();
            for (digest, ..) in chunk.iter().chain(std::iter::repeat(last)).take(VALUES) {
                arguments.int(Some(*digest))?;
            }
            for row in self.connection.fetch(sqlx::AssertSqlSafe(Arc::clone(&sql)), arguments).await? {
                there.insert((row.count(0)?, row.text(1)?.unwrap_or_default(), row.text(2)?.unwrap_or_default()));
            }
        }
        let mut collisions = 0;
        for (digest, tenant, user) in new {
            let here = (digest, tenant.to_owned(), user.to_owned());
            let shared = there.iter().any(|(of, in_tenant, _)| *of == digest && in_tenant == tenant);
            if !there.contains(&here) && shared {
                collisions += 1;
            }
            there.insert(here);
        }
        Ok(collisions)
    }

    /// Returns the ids that are finished, and true for those that were given up.
    async fn finished_among(&mut self, ids: Vec<RequestId>) -> Result<HashMap<RequestId, bool>, sqlx::Error> {
        let sql: Arc<str> =
            format!("SELECT id, ending FROM requests WHERE ending IS NOT NULL AND id IN ({})", placeholders(VALUES))
                .into();
        let mut finished = HashMap::new();
        for chunk in ids.chunks(VALUES) {
            let Some(last) = chunk.last() else { break };
            let mut arguments = self.connection.arguments();
            for id in chunk.iter().chain(std::iter::repeat(last)).take(VALUES) {
                arguments.bytes(id.as_bytes())?;
            }
            for row in self.connection.fetch(sqlx::AssertSqlSafe(Arc::clone(&sql)), arguments).await? {
                let is_given_up = row.int(1)? == Some(ending_code(None));
                finished.extend(RequestId::from_bytes(&row.bytes(0)?).map(|id| (id, is_given_up)));
            }
        }
        Ok(finished)
    }

    /// Returns the rows with these ids.
    async fn rows_of(&mut self, ids: &[RequestId]) -> Result<Vec<Row>, sqlx::Error> {
        let sql: Arc<str> =
            format!("SELECT {} FROM ledger WHERE id IN ({})", columns::all(), placeholders(VALUES)).into();
        let mut rows = Vec::new();
        for chunk in ids.chunks(VALUES) {
            let Some(last) = chunk.last() else { break };
            let mut arguments = self.connection.arguments();
            for id in chunk.iter().chain(std::iter::repeat(last)).take(VALUES) {
                arguments.bytes(id.as_bytes())?;
            }
            for row in self.connection.fetch(sqlx::AssertSqlSafe(Arc::clone(&sql)), arguments).await? {
                rows.push(columns::read_row(&row)?);
            }
        }
        Ok(rows)
    }

    /// Registers the processes of these rows if they are unknown, so that other processes can take the rows over.
    async fn know_nodes<'r>(&mut self, rows: impl IntoIterator<Item = &'r Row>) -> Result<(), sqlx::Error> {
        let nodes: HashSet<_> = rows.into_iter().filter(|row| row.ended.is_none()).map(|row| &row.node).collect();
        for node in nodes {
            let mut arguments = self.connection.arguments();
            arguments.shared(Some(node))?;
            let sql = "INSERT INTO nodes (node, seen_us) VALUES ($1, 0) ON CONFLICT (node) DO NOTHING";
            self.connection.execute(sql, arguments).await?;
        }
        Ok(())
    }

    /// Fails if SQLite's file was deleted or replaced.
    fn check_file(&self) -> Result<(), sqlx::Error> {
        match &self.file {
            Some((path, known)) if number(path) != Some(*known) => {
                Err(sqlx::Error::Io(std::io::ErrorKind::NotFound.into()))
            }
            _ => Ok(()),
        }
    }

    /// Writes this process's heartbeat.
    pub(super) async fn heartbeat(&mut self) -> Result<(), sqlx::Error> {
        self.check_file()?;
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&self.node))?;
        // The database's clock: those of the nodes may differ.
        let sql = format!(
            "INSERT INTO nodes (node, seen_us) VALUES ($1, {}) ON CONFLICT (node) DO UPDATE SET seen_us = excluded.seen_us",
            self.connection.engine().clock_us()
        );
        self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await.map(drop)
    }

    /// Closes the connection.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}
