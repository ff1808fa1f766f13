//! Adds to the counts of refusals that are written (docs/SPEC.md#refusal-rows).

use std::sync::Arc;

use callsign_core::request_id::RequestId;

use super::columns::bind_row;
use super::{Store, Written};
use crate::ledger::error::is_refusal;
use crate::ledger::increments::Increments;
use crate::ledger::placed::Placed;
use crate::ledger::row::Row;

/// Refusals that are counted in the row of an earlier one.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct More {
    /// The id of that row.
    pub(in crate::ledger) first: RequestId,
    /// The count of that row without these refusals.
    pub(in crate::ledger) before: i64,
    /// One of these refusals, with the number of all of them.
    pub(in crate::ledger) row: Row,
}

impl Store {
    /// Adds to the counts of refusals. Repeating it adds nothing. Refusals whose first row is not in the database
    /// become a row of their own.
    pub(in crate::ledger) async fn raise(&mut self, more: &[More]) -> Result<Written, sqlx::Error> {
        self.check_file()?;
        match self.raise_once(more).await {
            Err(error) if is_refusal(&error) => {
                let rows: Vec<_> = more.iter().map(|more| more.row.clone()).collect();
                self.write_each(&rows).await
            }
            raised => raised,
        }
    }

    async fn raise_once(&mut self, more: &[More]) -> Result<Written, sqlx::Error> {
        self.begin().await?;
        let (mut raised, mut alone) = (Vec::new(), Vec::new());
        for More { first, before, row } in more {
            let mut arguments = self.connection.arguments();
            arguments.bytes(first.as_bytes())?;
            arguments.int(Some(row.count))?;
            arguments.int(Some(*before))?;
            arguments.int(Some(row.begun.labels.person_number()))?;
            // A row that has lost its names, by `forget` or because they were refused, is another person's.
            let sql = "UPDATE requests SET count = count + $2 WHERE id = $1 AND count = $3 \
                       AND context IN (SELECT context FROM contexts WHERE person = $4)";
            if self.connection.execute(sql, arguments).await? > 0 {
                raised.push(row);
            } else if !self.has_counted(*first, *before).await? {
                alone.push(row.clone());
            }
        }
        let known = self.finished_among(alone.iter().map(|row| row.begun.id).collect()).await?;
        alone.retain(|row| !known.contains_key(&row.begun.id));
        let statements = Arc::clone(&self.statements);
        let alone = self.place(&alone).await?;
        statements.rows.run(&mut self.connection, &alone, bind_row).await?;
        // A refusal that is only counted leaves no identifiers and is no row.
        let mut increments = Increments::of(&Placed::alone(raised));
        increments.identifiers.clear();
        increments.listed.clear();
        self.apply(increments).await?;
        let collisions = self.apply(Increments::of(&alone)).await?;
        self.commit().await?;
        Ok(Written { collisions, rejected: 0 })
    }

    /// Returns true if the row has a larger count: an earlier transaction was committed without an answer.
    async fn has_counted(&mut self, id: RequestId, before: i64) -> Result<bool, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.bytes(id.as_bytes())?;
        let rows = self.connection.fetch("SELECT count FROM requests WHERE id = $1", arguments).await?;
        rows.first().map_or(Ok(false), |row| Ok(row.count(0)? > before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::engine::{Purpose, Target};
    use crate::ledger::tests::refused_row;

    #[tokio::test]
    async fn a_count_is_added_once_also_if_the_commit_is_not_confirmed() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(directory.path().join("ledger.db"));
        let mut store = Store::open(target, Purpose::Write, "node".into()).await.unwrap();
        let first = refused_row(1, "rate_limited", 0);
        store.write(std::slice::from_ref(&first), 1).await.unwrap();
        let more = |number, before, count| {
            let row = Row { count, ..refused_row(number, "rate_limited", 1) };
            More { first: first.begun.id, before, row }
        };
        let unknown = More { first: refused_row(9, "", 0).begun.id, ..more(4, 1, 7) };
        for (more, expected) in [(more(2, 1, 10), 11), (more(3, 11, 5), 16)] {
            for _ in 0..2 {
                store.raise(&[more.clone(), unknown.clone()]).await.unwrap();
                let counts =
                    "SELECT (SELECT SUM(count) FROM requests), (SELECT SUM(refused) FROM sums WHERE grain = 0)";
                let counts = store.connection.fetch(counts, store.connection.arguments()).await.unwrap();
                let count = |column| counts[0].count(column).unwrap();
                assert_eq!((count(0), count(1)), (expected + 7, expected + 7));
            }
        }
    }
}
