//! Erases a user's names. Sums stay without a name.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Store;
use super::statements::{SUM_KEY, on_sums_conflict, seen};
use crate::ledger::digest;
use crate::ledger::engine::{Arguments, Engine};
use crate::ledger::error::LedgerError;
use crate::ledger::query::Forgotten;
use crate::ledger::sums::{column_list, columns};
use crate::ledger::user_index::START;

/// Rows per transaction. Other writes wait for it only a few milliseconds.
const ROWS: i64 = 2_000;
/// Maximum wait for readers of SQLite's log.
const READING: Duration = Duration::from_secs(3);
/// Polling interval of that wait.
const LOOK: Duration = Duration::from_millis(50);

/// A user, and the keys under which the ledger knows them.
#[derive(Debug)]
pub(in crate::ledger) struct Person {
    /// The tenant; `""` for none.
    tenant: String,
    user: String,
    /// The numbers of the user in `people`, each with the number that replaces it and the new name of the key. It is
    /// empty for a key that only this user used, because its name identifies the user.
    numbers: Vec<(i64, i64, String)>,
}

impl Store {
    /// Finds the numbers of a user, and the keys that only this user used. `spilled`: keys of the user's rows in the
    /// spill file.
    pub(in crate::ledger) async fn person(
        &mut self,
        tenant: &str,
        user: &str,
        spilled: Vec<String>,
    ) -> Result<Person, sqlx::Error> {
        let mut person = Person { tenant: tenant.to_owned(), user: user.to_owned(), numbers: Vec::new() };
        let sql =
            format!("SELECT key_name FROM people WHERE {START} = substr($1, 1, 32) AND user_id = $1 AND tenant = $2");
        let found = self.connection.fetch(sqlx::AssertSqlSafe(sql), self.of(&person)?).await?;
        let mut keys = spilled;
        for row in &found {
            keys.extend(row.text(0)?);
        }
        keys.sort();
        keys.dedup();
        for key in keys {
            let number = digest::person(tenant, &key, user);
            let mut arguments = self.of(&person)?;
            arguments.text(Some(&key))?;
            let sql = "SELECT person FROM people WHERE key_name = $3 AND (user_id <> $1 OR tenant <> $2) LIMIT 1";
            let is_shared = !self.connection.fetch(sql, arguments).await?.is_empty();
            let key = if is_shared { key } else { String::new() };
            person.numbers.push((number, digest::person(tenant, &key, ""), key));
        }
        Ok(person)
    }

    fn of(&self, person: &Person) -> Result<Arguments, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.text(Some(&person.user))?;
        arguments.text(Some(&person.tenant))?;
        Ok(arguments)
    }

    /// Removes messages and generations from rows, a bounded number at a time, and lists them under no name. Requests in
    /// flight keep theirs until they end.
    pub(in crate::ledger) async fn forget_rows(&mut self, person: &Person) -> Result<u64, sqlx::Error> {
        self.begin().await?;
        self.sum_up_all().await?;
        self.commit().await?;
        let mut changed = 0;
        loop {
            self.begin().await?;
            let now = self.forget_some_rows(person).await?;
            self.commit().await?;
            changed += now;
            if now == 0 {
                return Ok(changed);
            }
        }
    }

    /// The same for up to [`ROWS`] rows of each key, within a transaction.
    async fn forget_some_rows(&mut self, person: &Person) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        for (number, replaced, _) in &person.numbers {
            let theirs = "SELECT id FROM requests_by_person WHERE person = $1 ORDER BY id LIMIT $2";
            let mut arguments = self.connection.arguments();
            arguments.int(Some(*number))?;
            arguments.int(Some(ROWS))?;
            changed += self.forget_texts(theirs, arguments).await?;
            let mut arguments = self.connection.arguments();
            for value in [*number, ROWS, *replaced] {
                arguments.int(Some(value))?;
            }
            let sql = format!("UPDATE requests_by_person SET person = $3 WHERE person = $1 AND id IN ({theirs})");
            self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await?;
        }
        Ok(changed)
    }

    /// Removes messages and generations from the rows of a query for ids.
    async fn forget_texts(&mut self, ids: &str, arguments: Arguments) -> Result<u64, sqlx::Error> {
        let sql = format!(
            "UPDATE requests SET message = NULL, sent_message = NULL, generation = NULL, \
             bill = CASE WHEN bill = 2 THEN 3 ELSE bill END WHERE id IN ({ids})"
        );
        self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await
    }

    /// Removes messages and generations from rows of the spill file, which has no list of a person's requests.
    pub(in crate::ledger) async fn forget_spilled(&mut self, person: &Person) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        self.begin().await?;
        for (number, ..) in &person.numbers {
            let mut arguments = self.connection.arguments();
            arguments.int(Some(*number))?;
            let theirs = "SELECT id FROM ledger WHERE person = $1 AND ending IS NOT NULL";
            changed += self.forget_texts(theirs, arguments).await?;
        }
        self.commit().await?;
        Ok(changed)
    }

    /// Removes the names from the contexts of one number. Requests in flight get contexts of their own that keep them.
    async fn forget_contexts(&mut self, number: i64, to: i64) -> Result<(), sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(number))?;
        let open = "SELECT DISTINCT context FROM ledger WHERE person = $1 AND node IS NOT NULL";
        let mut kept = Vec::new();
        for row in self.connection.fetch(open, arguments).await? {
            let (old, new) = (row.count(0)?, self.contexts.number());
            kept.push(new);
            for sql in [
                "INSERT INTO contexts (context, person, session, chat, sent_user, sent_session, sent_metadata_session, \
                 sent_chat, endpoint, account, markup) SELECT $2, person, session, chat, sent_user, sent_session, \
                 sent_metadata_session, sent_chat, endpoint, account, markup FROM contexts WHERE context = $1",
                "UPDATE requests SET context = $2 WHERE context = $1 AND node IS NOT NULL",
            ] {
                let mut arguments = self.connection.arguments();
                arguments.int(Some(old))?;
                arguments.int(Some(new))?;
                self.connection.execute(sql, arguments).await?;
            }
        }
        let kept = kept.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let but = if kept.is_empty() { String::new() } else { format!(" AND context NOT IN ({kept})") };
        let sql = format!(
            "UPDATE contexts SET person = $2, session = NULL, chat = NULL, sent_user = NULL, sent_session = NULL, \
             sent_metadata_session = NULL, sent_chat = NULL WHERE person = $1{but}"
        );
        let mut arguments = self.connection.arguments();
        arguments.int(Some(number))?;
        arguments.int(Some(to))?;
        self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await.map(drop)
    }

    /// Moves the user's sums and contexts to no name, and removes the user from all other tables.
    pub(in crate::ledger) async fn forget_sums(&mut self, person: &Person) -> Result<Forgotten, sqlx::Error> {
        let mut forgotten = Forgotten::default();
        // Running processes must not write names again that they remember.
        self.begin_alone().await?;
        if self.connection.engine() == Engine::Postgres {
            // A writer between the steps below would leave rows and sums different. SQLite has one writer.
            self.connection.run("LOCK TABLE requests, sums IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        self.sum_up_all().await?;
        loop {
            let now = self.forget_some_rows(person).await?;
            forgotten.requests += now;
            if now == 0 {
                break;
            }
        }
        for (number, replaced, key) in &person.numbers {
            self.move_sums(person, *number, *replaced, key).await?;
            self.forget_contexts(*number, *replaced).await?;
            for (sql, counts) in [
                ("DELETE FROM sums WHERE person = $1 AND grain <> 3", false),
                ("DELETE FROM identifiers WHERE person = $1", true),
                // A request in flight still needs its person.
                (
                    "DELETE FROM people WHERE person = $1 AND NOT EXISTS (SELECT 1 FROM contexts c WHERE c.person = people.person)",
                    false,
                ),
            ] {
                let mut arguments = self.connection.arguments();
                arguments.int(Some(*number))?;
                let deleted = self.connection.execute(sql, arguments).await?;
                forgotten.identifiers += if counts { deleted } else { 0 };
            }
        }
        self.commit().await?;
        Ok(forgotten)
    }

    /// Adds the sums of one number to those of another. A pending cost can no longer be looked up, because the
    /// generation is erased.
    async fn move_sums(&mut self, person: &Person, number: i64, to: i64, key: &str) -> Result<(), sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(number))?;
        arguments.int(Some(to))?;
        arguments.text(Some(key))?;
        let people = format!(
            "INSERT INTO people (person, tenant, key_name, user_id, tenant_person, sent, first_us, last_us, requests) \
             SELECT $2, tenant, $3, '', tenant_person, NULL, first_us, last_us, requests FROM people WHERE person = $1 \
             ON CONFLICT (person) DO UPDATE SET {}",
            seen("people")
        );
        self.connection.execute(sqlx::AssertSqlSafe(people), arguments).await?;
        // The daily sums of the tenant are not moved, but the pending costs in them are given up as well. Each has one
        // counterpart with the same key.
        let mut arguments = self.connection.arguments();
        arguments.int(Some(number))?;
        arguments.int(Some(digest::person(&person.tenant, "", "")))?;
        let of_tenant = "UPDATE sums SET pending = sums.pending - theirs.pending, never = sums.never + theirs.pending \
                         FROM sums AS theirs WHERE theirs.grain = 1 AND theirs.person = $1 AND theirs.pending <> 0 \
                         AND sums.grain = 3 AND sums.person = $2 AND sums.bucket_us = theirs.bucket_us \
                         AND sums.model = theirs.model AND sums.provider = theirs.provider \
                         AND sums.status = theirs.status AND sums.error = theirs.error";
        self.connection.execute(of_tenant, arguments).await?;
        let moved = columns().map(|name| match name {
            "pending" => "0",
            "never" => "never + pending",
            other => other,
        });
        let sums = format!(
            "INSERT INTO sums ({SUM_KEY}, {}, last_us) \
             SELECT grain, bucket_us, $2, model, provider, status, error, {}, last_us FROM sums \
             WHERE person = $1 AND grain <> 3 {}",
            column_list(),
            moved.collect::<Vec<_>>().join(", "),
            on_sums_conflict()
        );
        let mut arguments = self.connection.arguments();
        arguments.int(Some(number))?;
        arguments.int(Some(to))?;
        self.connection.execute(sqlx::AssertSqlSafe(sums), arguments).await.map(drop)
    }

    /// Rewrites the file (SQLite only). Deleted text is overwritten already, but a page that was split keeps copies of
    /// the content that moved to the other half.
    pub(in crate::ledger) async fn scrub(&mut self) -> Result<(), sqlx::Error> {
        match self.connection.engine() {
            Engine::Sqlite => self.connection.run("VACUUM").await,
            Engine::Postgres => {
                self.connection
                    .run("VACUUM requests, contexts, people, identifiers, sums, unsummed, requests_by_person")
                    .await
            }
        }
    }

    /// Truncates the write-ahead log (SQLite only), which contains old versions of pages. Waits a few seconds for
    /// other connections that read from it.
    pub(in crate::ledger) async fn cut_log(&mut self) -> Result<(), LedgerError> {
        if self.connection.engine() == Engine::Postgres {
            return Ok(());
        }
        let until = Instant::now() + READING;
        loop {
            let told = self.connection.fetch("PRAGMA wal_checkpoint(TRUNCATE)", self.connection.arguments()).await?;
            if told.first().map_or(Ok(0), |row| row.count(0))? == 0 {
                return Ok(());
            }
            if Instant::now() >= until {
                let message = "another process is reading old data; run forget again in a moment".to_owned();
                return Err(LedgerError::Query(message));
            }
            sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::engine::{Purpose, Target};
    use crate::ledger::row::Row;
    use crate::ledger::tests::{begun, finished};

    #[tokio::test]
    async fn what_is_put_off_does_not_write_a_forgotten_name() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(directory.path().join("ledger.db"));
        let mut running = Store::open(target.clone(), Purpose::Write, "node".into()).await.unwrap();
        let mut forgetting = Store::open(target, Purpose::WriteDurably, "".into()).await.unwrap();
        let row = |number| Row::new(begun(number), None, Some(finished()), &"node".into());
        let names = async |store: &mut Store| {
            let sql = "SELECT COUNT(*) FROM people WHERE user_id = 'alice' UNION ALL SELECT COUNT(*) FROM identifiers \
                       UNION ALL SELECT SUM(requests) FROM sums WHERE grain = 0 \
                       UNION ALL SELECT COUNT(*) FROM ledger WHERE user_id = 'alice' OR message IS NOT NULL";
            let rows = store.connection.fetch(sql, store.connection.arguments()).await.unwrap();
            rows.iter().map(|row| row.count(0).unwrap()).collect::<Vec<_>>()
        };
        let batch: Vec<_> = (0..100).map(row).collect();
        running.write(&batch, batch.len()).await.unwrap();
        assert_eq!(names(&mut running).await, [1, 0, 0, 100], "nothing was put off");
        let person = forgetting.person("acme", "alice", Vec::new()).await.unwrap();
        assert_eq!(forgetting.forget_rows(&person).await.unwrap(), 100);
        forgetting.forget_sums(&person).await.unwrap();
        running.catch_up().await.unwrap();
        assert_eq!(names(&mut running).await, [0, 0, 100, 0]);
        // A request after that is a new person's.
        running.write(&[row(200)], 1).await.unwrap();
        let [people, identifiers, requests, rows] = names(&mut running).await[..] else { unreachable!("four counts") };
        assert_eq!((people, identifiers > 0, requests, rows), (1, true, 101, 1));
    }
}
