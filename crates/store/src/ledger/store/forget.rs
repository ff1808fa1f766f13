//! Erases a user's names. Sums stay without a name.

use std::sync::Arc;

use uuid::Uuid;

use super::Store;
use super::statements::{ON_ERRORS_CONFLICT, bind_context, on_sums_conflict};
use crate::ledger::context::Context;
use crate::ledger::engine::{Arguments, Engine};
use crate::ledger::names::{Name, Names};
use crate::ledger::query::Forgotten;
use crate::ledger::sums::Sums;
use callsign_core::usage::markup::Markup;

/// Rows per transaction.
const ROWS: i64 = 20_000;

/// A user, and the keys that only this user used. The names of those keys identify the user.
#[derive(Debug)]
pub(in crate::ledger) struct Person<'p> {
    /// The tenant; `""` for none.
    pub(in crate::ledger) tenant: &'p str,
    pub(in crate::ledger) user: &'p str,
    pub(in crate::ledger) keys: Vec<String>,
}

impl Store {
    /// Finds the keys that only this user used.
    pub(in crate::ledger) async fn person<'p>(
        &mut self,
        tenant: &'p str,
        user: &'p str,
    ) -> Result<Person<'p>, sqlx::Error> {
        let mut person = Person { tenant, user, keys: Vec::new() };
        let sql = "SELECT DISTINCT key_name FROM sums WHERE grain IN (0, 1, 2) AND user_id = $1 AND tenant = $2";
        let keys = self.connection.fetch(sql, self.of(&person)?).await?;
        for key in &keys {
            let Some(key) = key.text(0)?.filter(|key| !key.is_empty()) else { continue };
            let mut arguments = self.of(&person)?;
            arguments.text(Some(&key))?;
            let sql = "SELECT grain FROM sums WHERE grain IN (0, 1, 2) AND key_name = $3 \
                       AND (user_id <> $1 OR tenant <> $2) LIMIT 1";
            if self.connection.fetch(sql, arguments).await?.is_empty() {
                person.keys.push(key);
            }
        }
        Ok(person)
    }

    fn of(&self, person: &Person<'_>) -> Result<Arguments, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.text(Some(person.user))?;
        arguments.text(Some(person.tenant))?;
        Ok(arguments)
    }

    /// Removes the names from rows by moving the rows to contexts without names.
    pub(in crate::ledger) async fn forget_rows(&mut self, person: &Person<'_>) -> Result<u64, sqlx::Error> {
        self.replace_contexts(person).await?;
        let (mut changed, mut from) = (0, Some(Uuid::nil()));
        while let Some(after) = from {
            // The table is scanned in order of its primary key, because it has no index by user.
            let mut arguments = self.connection.arguments();
            arguments.bytes(after.as_bytes())?;
            arguments.int(Some(ROWS))?;
            let sql = "SELECT id FROM requests WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2";
            let end = self.connection.fetch(sql, arguments).await?;
            let end = end.first().map(|row| row.bytes(0)).transpose()?.and_then(|id| Uuid::from_slice(&id).ok());
            let mut arguments = self.connection.arguments();
            arguments.bytes(after.as_bytes())?;
            arguments.bytes(end.unwrap_or(Uuid::max()).as_bytes())?;
            let sql = "UPDATE requests SET message = NULL, sent_message = NULL, generation = NULL, \
                       context = (SELECT c.becomes FROM contexts c WHERE c.id = requests.context) \
                       WHERE id > $1 AND id <= $2 AND context IN (SELECT id FROM contexts WHERE becomes IS NOT NULL)";
            changed += self.connection.execute(sql, arguments).await?;
            from = end;
        }
        self.connection.begin().await?;
        let none = self.connection.arguments();
        self.connection.execute("DELETE FROM contexts WHERE becomes IS NOT NULL", none).await?;
        let none = self.connection.arguments();
        self.connection.execute("UPDATE retained SET forgotten = forgotten + 1", none).await?;
        self.connection.commit().await?;
        Ok(changed)
    }

    /// Maps each of the user's contexts to its replacement.
    async fn replace_contexts(&mut self, person: &Person<'_>) -> Result<(), sqlx::Error> {
        self.connection.begin().await?;
        let sql = "SELECT id, until_us, key_name, endpoint, markup FROM contexts \
                   WHERE user_id = $1 AND COALESCE(tenant, '') = $2";
        let theirs = self.connection.fetch(sql, self.of(person)?).await?;
        let statements = Arc::clone(&self.statements);
        for row in theirs {
            let key = row.text(2)?.unwrap_or_default();
            let names = Names {
                tenant: Some(Name::from(person.tenant)).filter(|tenant| !tenant.is_empty()),
                key: key.as_str().into(),
                endpoint: row.text(3)?.unwrap_or_default().into(),
                markup: row.int(4)?.map_or(Markup::ONE, Markup::from_millionths),
                ..Names::default()
            };
            let nameless = Context::new(names, row.count(1)?).forgotten(person.keys.contains(&key));
            let mut arguments = self.connection.arguments();
            arguments.int(row.int(0)?)?;
            arguments.int(Some(nameless.id))?;
            statements.contexts.run(&mut self.connection, &[nameless], bind_context).await?;
            let sql = "UPDATE contexts SET becomes = $2 WHERE id = $1";
            self.connection.execute(sql, arguments).await?;
        }
        self.connection.commit().await
    }

    /// Returns true if finished rows are not in the sums yet.
    pub(in crate::ledger) async fn has_pending(&mut self) -> Result<bool, sqlx::Error> {
        let found = self.connection.fetch("SELECT node FROM pending LIMIT 1", self.connection.arguments()).await?;
        Ok(!found.is_empty())
    }

    /// Moves the user's sums to no name, and removes the user from all other tables.
    pub(in crate::ledger) async fn forget_sums(&mut self, person: &Person<'_>) -> Result<Forgotten, sqlx::Error> {
        self.connection.begin().await?;
        let key = key_column(person, 3);
        let sums: Vec<_> = Sums::COLUMNS
            .into_iter()
            .map(|name| if name == "last_us" { "MAX(last_us)".to_owned() } else { format!("SUM({name})") })
            .collect();
        let moved_sums = format!(
            "INSERT INTO sums (grain, bucket_us, tenant, key_name, user_id, model, endpoint, {}) \
             SELECT grain, bucket_us, tenant, {key}, '', model, endpoint, {} FROM sums \
             WHERE user_id = $1 AND tenant = $2 GROUP BY 1, 2, 3, 4, 5, 6, 7 {}",
            Sums::COLUMNS.join(", "),
            sums.join(", "),
            on_sums_conflict()
        );
        let moved_errors = format!(
            "INSERT INTO errors (bucket_us, tenant, key_name, user_id, kind, requests) \
             SELECT bucket_us, tenant, {key}, '', kind, SUM(requests) FROM errors \
             WHERE user_id = $1 AND tenant = $2 GROUP BY 1, 2, 3, 4, 5 {ON_ERRORS_CONFLICT}"
        );
        for sql in [moved_sums, moved_errors] {
            let mut arguments = self.of(person)?;
            for key in &person.keys {
                arguments.text(Some(key))?;
            }
            self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await?;
        }
        let mut forgotten = Forgotten::default();
        for (sql, counts) in [
            ("DELETE FROM sums WHERE user_id = $1 AND tenant = $2", false),
            ("DELETE FROM errors WHERE user_id = $1 AND tenant = $2", false),
            ("DELETE FROM identifiers WHERE user_id = $1 AND tenant = $2", true),
            ("DELETE FROM users WHERE user_id = $1 AND tenant = $2", false),
        ] {
            let arguments = self.of(person)?;
            let deleted = self.connection.execute(sql, arguments).await?;
            forgotten.identifiers += if counts { deleted } else { 0 };
        }
        self.connection.commit().await?;
        self.known.clear();
        Ok(forgotten)
    }

    /// Rewrites the file (SQLite only). Deleted text is overwritten already, but a page that was split keeps copies of
    /// the content that moved to the other half.
    pub(in crate::ledger) async fn scrub(&mut self) -> Result<(), sqlx::Error> {
        match self.connection.engine() {
            Engine::Sqlite => self.connection.run("VACUUM").await,
            Engine::Postgres => {
                self.connection.run("VACUUM requests, contexts, sums, errors, identifiers, users").await
            }
        }
    }

    /// Truncates the write-ahead log (SQLite only), which contains old versions of pages. Returns false if another
    /// connection prevented it.
    pub(in crate::ledger) async fn cut_log(&mut self) -> Result<bool, sqlx::Error> {
        if self.connection.engine() == Engine::Postgres {
            return Ok(true);
        }
        let told = self.connection.fetch("PRAGMA wal_checkpoint(TRUNCATE)", self.connection.arguments()).await?;
        Ok(told.first().map_or(Ok(0), |row| row.count(0))? == 0)
    }
}

/// Returns the SQL expression of the key's name, which is empty for the user's own keys. Their names are the arguments
/// from `first` on.
fn key_column(person: &Person<'_>, first: usize) -> String {
    if person.keys.is_empty() {
        return "key_name".to_owned();
    }
    let names: Vec<_> = (first..first + person.keys.len()).map(|number| format!("${number}")).collect();
    format!("CASE WHEN key_name IN ({}) THEN '' ELSE key_name END", names.join(", "))
}
