//! Deletes rows and sums that are older than the configured retention, a bounded part at a time.

use super::Store;
use super::contexts::unused_before;
use crate::ledger::engine::Engine;
use crate::ledger::grain::{Grain, now_us};
use callsign_core::request_id::RequestId;

/// Rows per transaction. Other writes wait for it only a few milliseconds.
const ROWS: i64 = 2_000;
/// Parts of the table `identifiers`. One of ten million is searched within 200 ms.
const SLICES: i64 = 16;

impl Store {
    /// Deletes a part of the rows that began before `from_us`, rounded down to the full hour. Returns true if none are
    /// left. SQLite overwrites deleted content and shrinks the file.
    pub(in crate::ledger) async fn retain(&mut self, from_us: i64) -> Result<bool, sqlx::Error> {
        let from_us = Grain::Hour.bucket(from_us);
        self.connection.begin().await?;
        // A sum whose period is partly deleted is deleted as a whole; finer sums contain the rest. Readers check this
        // mark first.
        let mut arguments = self.connection.arguments();
        arguments.int(Some(from_us))?;
        let raise = "UPDATE state SET from_us = $1 WHERE from_us < $1";
        self.connection.execute(raise, arguments).await?;
        let mut most = self.retain_sums(from_us).await?;
        for sql in [
            "DELETE FROM requests_by_person WHERE (person, id) IN (SELECT person, id FROM ledger WHERE id < $1 \
             AND ending IS NOT NULL ORDER BY id LIMIT $2)",
            "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE id < $1 AND ending IS NOT NULL \
             ORDER BY id LIMIT $2)",
        ] {
            let mut arguments = self.connection.arguments();
            arguments.bytes(RequestId::first_at(from_us).as_bytes())?;
            arguments.int(Some(ROWS))?;
            most = most.max(self.connection.execute(sql, arguments).await?);
        }
        let mut arguments = self.connection.arguments();
        arguments.int(Some(unused_before(from_us)))?;
        arguments.int(Some(ROWS))?;
        let contexts =
            "DELETE FROM contexts WHERE context IN (SELECT context FROM contexts WHERE context < $1 LIMIT $2)";
        most = most.max(self.connection.execute(contexts, arguments).await?);
        most = most.max(self.retain_identifiers(from_us).await?);
        for (table, keys, time) in [
            ("people", "person", "last_us"),
            ("speed", "grain, bucket_us, model, provider, bin", "bucket_us"),
            ("rejected", "id", "at_us"),
        ] {
            let sql = format!(
                "DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} WHERE {time} < $1 LIMIT $2)"
            );
            let mut arguments = self.connection.arguments();
            arguments.int(Some(from_us))?;
            arguments.int(Some(ROWS))?;
            most = most.max(self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await?);
        }
        self.connection.commit().await?;
        if self.connection.engine() == Engine::Sqlite {
            self.connection.run("PRAGMA incremental_vacuum(2000)").await?;
        }
        if i64::try_from(most).is_ok_and(|most| most >= ROWS) {
            return Ok(false);
        }
        self.slice = (self.slice + 1) % SLICES;
        Ok(self.slice == 0)
    }

    /// Deletes identifiers in one of [`SLICES`] parts of the table, since they have no index by time.
    async fn retain_identifiers(&mut self, from_us: i64) -> Result<u64, sqlx::Error> {
        const WIDTH: i64 = i64::MAX / SLICES;
        let (first, last) =
            (self.slice * WIDTH, if self.slice + 1 == SLICES { i64::MAX } else { (self.slice + 1) * WIDTH });
        let mut arguments = self.connection.arguments();
        for value in [first, last, from_us, ROWS] {
            arguments.int(Some(value))?;
        }
        let sql = "DELETE FROM identifiers WHERE (digest, kind, person) IN (SELECT digest, kind, person FROM identifiers \
                   WHERE digest >= $1 AND digest <= $2 AND last_us < $3 LIMIT $4)";
        self.connection.execute(sql, arguments).await
    }

    async fn retain_sums(&mut self, from_us: i64) -> Result<u64, sqlx::Error> {
        const KEYS: &str = super::statements::SUM_KEY;
        let sql = format!(
            "DELETE FROM sums WHERE ({KEYS}) IN (SELECT {KEYS} FROM sums WHERE grain = $1 AND bucket_us < $2 LIMIT $3)"
        );
        let mut most = 0;
        for grain in Grain::ALL {
            let mut arguments = self.connection.arguments();
            arguments.int(Some(grain.code()))?;
            arguments.int(Some(from_us))?;
            arguments.int(Some(ROWS))?;
            most = most.max(self.connection.execute(sqlx::AssertSqlSafe(sql.clone()), arguments).await?);
        }
        Ok(most)
    }

    /// Returns PostgreSQL's clock; `None` on SQLite.
    pub(in crate::ledger) async fn clock_us(&mut self) -> Result<Option<i64>, sqlx::Error> {
        if self.connection.engine() == Engine::Sqlite {
            return Ok(None);
        }
        self.database_us().await.map(Some)
    }

    /// Returns the time of the database's clock.
    pub(super) async fn database_us(&mut self) -> Result<i64, sqlx::Error> {
        let sql = format!("SELECT {}", self.connection.engine().clock_us());
        let rows = self.connection.fetch(sqlx::AssertSqlSafe(sql), self.connection.arguments()).await?;
        rows.first().map_or(Ok(0), |row| row.count(0))
    }

    /// Returns the start of the retained period of this many days.
    pub(in crate::ledger) fn kept_from(days: u32) -> i64 {
        now_us() - i64::from(days) * crate::ledger::grain::DAY_US
    }
}
