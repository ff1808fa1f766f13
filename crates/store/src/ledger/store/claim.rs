//! Takes over the rows of ended processes: finished requests that are not in the sums yet, and requests that cannot
//! finish any more.

use std::sync::Arc;

use uuid::Uuid;

use super::statements::{SELECT_ROWS, read_row};
use super::{IDS, Store};
use crate::ledger::engine;
use crate::ledger::grain::now_us;
use crate::ledger::insert::placeholders;
use crate::ledger::row::{Ended, Ending};
use crate::ledger::tally::Tally;

/// Maximum age of a live process's heartbeat: ten minutes in microseconds.
const GONE_US: i64 = 600_000_000;

/// The result of a take-over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Claimed {
    /// Requests that began and did not finish.
    pub(in crate::ledger) unfinished: u64,
}

impl Store {
    /// Takes over from the earlier process of the same data directory, if any, and from processes without a heartbeat
    /// for ten minutes.
    pub(in crate::ledger) async fn claim(&mut self, before: Option<&str>) -> Result<Claimed, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(now_us() - GONE_US))?;
        let gone = self.connection.fetch("SELECT node FROM nodes WHERE seen_us < $1", arguments).await?;
        let mut nodes: Vec<_> = before.map(str::to_owned).into_iter().collect();
        for row in gone {
            nodes.extend(row.text(0)?);
        }
        nodes.sort();
        nodes.dedup();
        nodes.retain(|node| **node != *self.node);
        let mut claimed = Claimed::default();
        for node in &nodes {
            claimed.unfinished += self.claim_one(node).await?;
        }
        Ok(claimed)
    }

    /// Recomputes the sums of one batch of this process's rows in `pending`, after a failure. Returns false if there
    /// was none. Each batch is one transaction, so a slow database makes progress with every attempt.
    pub(in crate::ledger) async fn recount(&mut self) -> Result<bool, sqlx::Error> {
        let node = Arc::clone(&self.node);
        self.connection.begin().await?;
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&node))?;
        let sql = "SELECT ids, batch FROM pending WHERE node = $1 ORDER BY batch LIMIT 1";
        let first = self.connection.fetch(sql, arguments).await?;
        let Some(batch) = first.first() else {
            self.connection.rollback().await?;
            return Ok(false);
        };
        let tally = self.tally_of(&first).await?;
        self.apply(&tally.folded()).await?;
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&node))?;
        arguments.int(batch.int(1)?)?;
        self.connection.execute("DELETE FROM pending WHERE node = $1 AND batch = $2", arguments).await?;
        self.connection.commit().await?;
        Ok(true)
    }

    async fn claim_one(&mut self, node: &str) -> Result<u64, sqlx::Error> {
        self.connection.begin().await?;
        // If several processes try, one deletes it; the others wait and then find nothing.
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        if self.connection.execute("DELETE FROM nodes WHERE node = $1", arguments).await? == 0 {
            self.connection.rollback().await?;
            return Ok(0);
        }
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        let batches = self.connection.fetch("SELECT ids FROM pending WHERE node = $1", arguments).await?;
        let mut tally = self.tally_of(&batches).await?;
        let unfinished = self.give_up(node, &mut tally).await?;
        self.apply(&tally.folded()).await?;
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        self.connection.execute("DELETE FROM pending WHERE node = $1", arguments).await?;
        self.connection.commit().await?;
        Ok(unfinished)
    }

    /// Sums the finished rows whose ids are in the first column of these batches.
    async fn tally_of(&mut self, batches: &[engine::Row]) -> Result<Tally, sqlx::Error> {
        let mut ids = Vec::new();
        for batch in batches {
            let bytes = batch.bytes(0)?;
            ids.extend(bytes.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok()));
        }
        let sql: Arc<str> = format!("{SELECT_ROWS} r.id IN ({})", placeholders(IDS)).into();
        let mut tally = Tally::default();
        for chunk in ids.chunks(IDS) {
            for row in self.fetch_by_ids(&sql, chunk).await? {
                tally.add(&read_row(&row)?);
            }
        }
        Ok(tally)
    }

    /// Ends the requests in flight of a process with an unknown outcome, and sums them.
    async fn give_up(&mut self, node: &str, tally: &mut Tally) -> Result<u64, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        let sql = format!("{SELECT_ROWS} r.node = $1");
        for row in self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await? {
            let mut row = read_row(&row)?;
            row.ended = Some(Ended::unknown());
            tally.add(&row);
        }
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        arguments.int(Some(Ending::UNKNOWN))?;
        let sql = "UPDATE requests SET node = NULL, ending = $2, status = 0, request_bytes = 0, response_bytes = 0, \
                   duration_us = 0 WHERE node = $1";
        self.connection.execute(sql, arguments).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::engine::{Purpose, Target};
    use crate::ledger::tests::finished_row;

    #[tokio::test]
    async fn a_lost_count_is_made_up_batch_by_batch_and_nothing_counts_twice() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(directory.path().join("ledger.db"));
        let mut store = Store::open(target, Purpose::Write, "run-1".into()).await.unwrap();
        for number in 1..=3 {
            store.write(&[finished_row(2 * number), finished_row(2 * number + 1)], 2).await.unwrap();
        }
        for counted in [2, 4, 6] {
            assert!(store.recount().await.unwrap());
            assert_eq!(requests(&mut store).await, counted);
        }
        assert!(!store.recount().await.unwrap());
        assert_eq!(requests(&mut store).await, 6);
    }

    /// Returns the number of requests in the monthly sums.
    async fn requests(store: &mut Store) -> i64 {
        let arguments = store.connection.arguments();
        let rows = store.connection.fetch("SELECT requests FROM sums WHERE grain = 2", arguments).await.unwrap();
        rows.iter().map(|row| row.count(0).unwrap()).sum()
    }
}
