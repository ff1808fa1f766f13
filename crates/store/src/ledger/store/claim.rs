//! Takes over what a run of callsign left behind that is not there any more: finished requests that were not counted
//! yet, and requests that will never finish.

use std::sync::Arc;

use uuid::Uuid;

use super::statements::{SELECT_ROWS, read_row};
use super::{IDS, Store};
use crate::ledger::engine;
use crate::ledger::insert::placeholders;
use crate::ledger::row::{Ended, Ending};
use crate::ledger::sums::now_us;
use crate::ledger::tally::Tally;

/// A run that has not been heard of for so long is gone: ten minutes in microseconds.
const GONE_US: i64 = 600_000_000;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Claimed {
    /// Requests that had begun and never finished.
    pub(in crate::ledger) unfinished: u64,
}

impl Store {
    /// Takes over from the run before this one on the same data directory, if there was one, and from all that have not
    /// been heard of for ten minutes.
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

    /// Counts again one batch of what this run has in `pending`, after it lost count. Says whether there was one: each is
    /// a change of its own, so that a slow database gets on with every attempt.
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
        // Of several that try, one deletes it; the others wait for it and then find nothing.
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

    /// Counts the finished rows that these batches name in their first column.
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

    /// Gives up what was in flight in a run, and counts it.
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

    /// What the sums by month say.
    async fn requests(store: &mut Store) -> i64 {
        let arguments = store.connection.arguments();
        let rows = store.connection.fetch("SELECT requests FROM sums WHERE grain = 2", arguments).await.unwrap();
        rows.iter().map(|row| row.count(0).unwrap()).sum()
    }
}
