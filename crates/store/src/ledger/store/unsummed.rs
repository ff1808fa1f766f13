//! Puts off what large batches add to other tables than `requests`, so that many batches share the work.
//!
//! A batch that is put off has an entry in the table `unsummed`, which is written in the transaction of its rows. What it
//! adds is also in memory. The transaction that deletes the entry adds its rows to the other tables, so each row counts
//! once, whichever process does it: normally the writer, from memory; after a crash another run, from the rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use callsign_core::request_id::{LENGTH, RequestId};

use super::{Store, Written};
use crate::ledger::engine::{Engine, Purpose};
use crate::ledger::error::is_refusal;
use crate::ledger::increments::Increments;
use crate::ledger::placed::Placed;

/// Entries that are added in one transaction when rows are added from the table. On a slow disk even one takes seconds.
const ENTRIES: i64 = 1;

impl Store {
    /// Notes within the transaction that writes a batch that what it adds is put off.
    pub(super) async fn note_unsummed(&mut self, rows: &[Placed<'_>]) -> Result<(), sqlx::Error> {
        let finished = rows.iter().filter(|placed| placed.row.ended.is_some());
        let ids: Vec<u8> = finished.flat_map(|placed| placed.row.begun.id.as_bytes()).copied().collect();
        self.put_off.latest = self.put_off.latest.max(crate::ledger::grain::now_us()) + 1;
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&self.node))?;
        arguments.int(Some(self.put_off.latest))?;
        arguments.bytes(&ids)?;
        let sql = "INSERT INTO unsummed (node, number, ids) VALUES ($1, $2, $3)";
        self.connection.execute(sql, arguments).await.map(drop)
    }

    /// Returns true if no more may be put off.
    pub(in crate::ledger) fn is_behind(&self) -> bool {
        self.put_off.is_full(self.purpose == Purpose::WriteDurably)
    }

    /// Adds what was put off.
    pub(in crate::ledger) async fn catch_up(&mut self) -> Result<Written, sqlx::Error> {
        let (increments, entries) = self.put_off.take();
        if entries == 0 {
            return Ok(Written::default());
        }
        self.check_file()?;
        self.begin().await?;
        let mut arguments = self.connection.arguments();
        arguments.shared(Some(&self.node))?;
        let deleted = self.connection.execute("DELETE FROM unsummed WHERE node = $1", arguments).await?;
        let node = Arc::clone(&self.node);
        if deleted != entries {
            // Another process has added some of them.
            self.connection.rollback().await?;
            return self.sum_up(&node).await;
        }
        match self.apply(increments).await {
            Ok(collisions) => {
                self.commit().await?;
                Ok(Written { collisions, rejected: 0 })
            }
            Err(error) if is_refusal(&error) => {
                self.reset().await?;
                self.sum_up(&node).await
            }
            Err(error) => Err(error),
        }
    }

    /// Adds what an earlier connection of this process has put off.
    pub(in crate::ledger) async fn sum_up_own(&mut self) -> Result<(), sqlx::Error> {
        let node = Arc::clone(&self.node);
        self.sum_up(&node).await.map(drop)
    }

    /// Adds the rows that a process has put off, in one transaction for each few entries.
    pub(in crate::ledger) async fn sum_up(&mut self, node: &str) -> Result<Written, sqlx::Error> {
        let mut written = Written::default();
        loop {
            self.begin().await?;
            let summed = match self.sum_up_some(Some(node)).await {
                Err(error) if is_refusal(&error) => {
                    self.reset().await?;
                    written.rejected += self.sum_up_each(node).await?;
                    continue;
                }
                summed => summed?,
            };
            self.commit().await?;
            written.collisions += summed.1;
            if !summed.0 {
                return Ok(written);
            }
        }
    }

    /// Adds a few entries within the open transaction. Returns true if there may be more, and the number of collisions.
    async fn sum_up_some(&mut self, node: Option<&str>) -> Result<(bool, usize), sqlx::Error> {
        let ids = self.take_entries(node, ENTRIES).await?;
        if ids.is_empty() {
            return Ok((false, 0));
        }
        let rows = self.rows_of(&ids).await?;
        let collisions = self.apply(Increments::of(&Placed::alone(&rows))).await?;
        Ok((true, collisions))
    }

    /// Adds all entries of all processes within the open transaction.
    pub(super) async fn sum_up_all(&mut self) -> Result<(), sqlx::Error> {
        while self.sum_up_some(None).await?.0 {}
        Ok(())
    }

    /// Adds an entry of which a row is refused: that row is set aside. Returns the number of such rows.
    async fn sum_up_each(&mut self, node: &str) -> Result<usize, sqlx::Error> {
        self.begin_alone().await?;
        let ids = self.take_entries(Some(node), 1).await?;
        let mut refused = Vec::new();
        for row in self.rows_of(&ids).await? {
            self.connection.run("SAVEPOINT one").await?;
            let added = self.apply(Increments::of(&Placed::alone([&row]))).await;
            let Err(error) = added.map(drop) else { continue };
            if !is_refusal(&error) {
                return Err(error);
            }
            refused.push(row.begun.labels.person_number());
            self.connection.run("ROLLBACK TO one").await?;
            match self.set_aside_within(&row, &error, true).await {
                Err(error) if is_refusal(&error) => {
                    super::reject::log_nameless(&error);
                    self.connection.run("ROLLBACK TO one").await?;
                    // The context without names may be rolled back.
                    self.contexts.clear();
                    self.delete_row(&row, true).await?;
                }
                aside => aside?,
            }
        }
        // Now the person's other rows of this entry are listed.
        let people: BTreeSet<_> = refused.iter().copied().collect();
        for person in people {
            self.remove_unused_names(person).await?;
        }
        self.commit().await?;
        Ok(refused.len())
    }

    /// Deletes entries and returns the ids in them.
    async fn take_entries(&mut self, node: Option<&str>, most: i64) -> Result<Vec<RequestId>, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(most))?;
        let of_node = if node.is_some() { "WHERE node = $2" } else { "" };
        if let Some(node) = node {
            arguments.text(Some(node))?;
        }
        let sql = format!(
            "DELETE FROM unsummed WHERE (node, number) IN (SELECT node, number FROM unsummed {of_node} \
             ORDER BY node, number LIMIT $1) RETURNING ids"
        );
        let mut ids = Vec::new();
        for row in self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await? {
            ids.extend(row.bytes(0)?.chunks(LENGTH).filter_map(RequestId::from_bytes));
        }
        Ok(ids)
    }

    /// Returns true if what this row adds is put off.
    pub(super) async fn is_unsummed(&mut self, id: RequestId) -> Result<bool, sqlx::Error> {
        let sql = match self.connection.engine() {
            Engine::Sqlite => "SELECT number FROM unsummed WHERE instr(ids, $1) > 0",
            Engine::Postgres => "SELECT number FROM unsummed WHERE position($1 IN ids) > 0",
        };
        let mut arguments = self.connection.arguments();
        arguments.bytes(id.as_bytes())?;
        Ok(!self.connection.fetch(sql, arguments).await?.is_empty())
    }
}
