//! Adds hours that are over to the sums of days, months and years.
//!
//! Only the sums of an hour change with each request. `state.folded_us` is the first hour that the coarser sums do not
//! hold; a later change of an earlier hour goes to both. So a request costs one sum, and a query of a long period reads
//! few rows.

use super::Store;
use super::statements::{SUM_KEY, on_sums_conflict};
use crate::ledger::engine::Engine;
use crate::ledger::grain::{Grain, HOUR_US, now_us};
use crate::ledger::sums::{column_list, columns};

impl Store {
    /// Adds the next hour that is over. Returns true if there may be another one.
    pub(in crate::ledger) async fn fold(&mut self) -> Result<bool, sqlx::Error> {
        self.connection.begin().await?;
        let sql = match self.connection.engine() {
            Engine::Sqlite => "SELECT folded_us FROM state",
            Engine::Postgres => "SELECT folded_us FROM state FOR UPDATE",
        };
        let state = self.connection.fetch(sql, self.connection.arguments()).await?;
        let folded_us = state.first().map_or(Ok(0), |row| row.count(0))?;
        let mut arguments = self.connection.arguments();
        arguments.int(Some(folded_us))?;
        arguments.int(Some(Grain::Hour.bucket(now_us())))?;
        let sql = "SELECT MIN(bucket_us) FROM sums WHERE grain = 0 AND bucket_us >= $1 AND bucket_us < $2";
        let hour = self.connection.fetch(sql, arguments).await?;
        let Some(hour_us) = hour.first().map_or(Ok(None), |row| row.int(0))? else {
            self.connection.rollback().await?;
            return Ok(false);
        };
        for grain in Grain::COARSE {
            self.fold_into(grain, hour_us).await?;
        }
        let mut arguments = self.connection.arguments();
        arguments.int(Some(hour_us + HOUR_US))?;
        self.connection.execute("UPDATE state SET folded_us = $1", arguments).await?;
        self.connection.commit().await?;
        Ok(true)
    }

    async fn fold_into(&mut self, grain: Grain, hour_us: i64) -> Result<(), sqlx::Error> {
        let sums: Vec<_> = columns().map(|name| format!("CAST(SUM(s.{name}) AS BIGINT)")).collect();
        let (person, join) = match grain {
            Grain::Curve => ("COALESCE(p.tenant_person, 0)", "LEFT JOIN people p ON p.person = s.person"),
            _ => ("s.person", ""),
        };
        let sql = format!(
            "INSERT INTO sums ({SUM_KEY}, {}, last_us) \
             SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), {person}, s.model, s.provider, s.status, s.error, {}, \
             MAX(s.last_us) FROM sums s {join} WHERE s.grain = 0 AND s.bucket_us = $3 GROUP BY 3, 4, 5, 6, 7 {}",
            column_list(),
            sums.join(", "),
            on_sums_conflict()
        );
        let mut arguments = self.connection.arguments();
        for value in [grain.code(), grain.bucket(hour_us), hour_us] {
            arguments.int(Some(value))?;
        }
        self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await.map(drop)
    }
}
