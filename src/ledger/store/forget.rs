//! Erases a person: names go, sums stay under no name.

use uuid::Uuid;

use super::Store;
use super::statements::{ON_ERRORS_CONFLICT, on_sums_conflict};
use crate::ledger::engine::{Arguments, Engine};
use crate::ledger::query::Forgotten;
use crate::ledger::sums::Sums;

/// Rows to a transaction.
const ROWS: i64 = 20_000;

/// Somebody, and the keys that are nobody else's: their names say who it is.
#[derive(Debug)]
pub(in crate::ledger) struct Person<'p> {
    /// `""` for none.
    pub(in crate::ledger) tenant: &'p str,
    pub(in crate::ledger) user: &'p str,
    pub(in crate::ledger) keys: Vec<String>,
}

impl Store {
    /// The person, with the keys that nobody else has come in by.
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

    /// Takes the names out of rows.
    pub(in crate::ledger) async fn forget_rows(&mut self, person: &Person<'_>) -> Result<u64, sqlx::Error> {
        let keys = key_column(person, 5);
        let sql = format!(
            "UPDATE requests SET user_id = NULL, session = NULL, chat = NULL, message = NULL, sent_user = NULL, \
             sent_session = NULL, sent_metadata_session = NULL, sent_chat = NULL, sent_message = NULL, \
             generation = NULL, key_name = {keys} \
             WHERE user_id = $1 AND COALESCE(tenant, '') = $2 AND id > $3 AND id <= $4"
        );
        let (mut changed, mut from) = (0, Some(Uuid::nil()));
        while let Some(after) = from {
            // The table is walked in order of its key: it has no index for the sake of this.
            let mut arguments = self.connection.arguments();
            arguments.bytes(after.as_bytes())?;
            arguments.int(Some(ROWS))?;
            let sql_end = "SELECT id FROM requests WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2";
            let end = self.connection.fetch(sql_end, arguments).await?;
            let end = end.first().map(|row| row.bytes(0)).transpose()?.and_then(|id| Uuid::from_slice(&id).ok());
            let mut arguments = self.of(person)?;
            arguments.bytes(after.as_bytes())?;
            arguments.bytes(end.unwrap_or(Uuid::max()).as_bytes())?;
            for key in &person.keys {
                arguments.text(Some(key))?;
            }
            changed += self.connection.execute(sqlx::AssertSqlSafe(sql.clone()), arguments).await?;
            from = end;
        }
        Ok(changed)
    }

    /// Whether anything finished is not counted yet.
    pub(in crate::ledger) async fn has_pending(&mut self) -> Result<bool, sqlx::Error> {
        let found = self.connection.fetch("SELECT node FROM pending LIMIT 1", self.connection.arguments()).await?;
        Ok(!found.is_empty())
    }

    /// Moves the sums under no name, and takes the person out of every other table.
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

    /// On SQLite: writes the file anew. Deleted text is overwritten there anyway, but a page that was split keeps
    /// copies of what moved to the other half.
    pub(in crate::ledger) async fn scrub(&mut self) -> Result<(), sqlx::Error> {
        match self.connection.engine() {
            Engine::Sqlite => self.connection.run("VACUUM").await,
            Engine::Postgres => self.connection.run("VACUUM requests, sums, errors, identifiers, users").await,
        }
    }

    /// On SQLite: empties the write-ahead log, which holds pages as they were. Says whether nobody was in the way.
    pub(in crate::ledger) async fn cut_log(&mut self) -> Result<bool, sqlx::Error> {
        if self.connection.engine() == Engine::Postgres {
            return Ok(true);
        }
        let told = self.connection.fetch("PRAGMA wal_checkpoint(TRUNCATE)", self.connection.arguments()).await?;
        Ok(told.first().map_or(Ok(0), |row| row.count(0))? == 0)
    }
}

/// What stands for the key's name: nothing for those whose names say who it is. They are the arguments from `first` on.
fn key_column(person: &Person<'_>, first: usize) -> String {
    if person.keys.is_empty() {
        return "key_name".to_owned();
    }
    let names: Vec<_> = (first..first + person.keys.len()).map(|number| format!("${number}")).collect();
    format!("CASE WHEN key_name IN ({}) THEN '' ELSE key_name END", names.join(", "))
}
