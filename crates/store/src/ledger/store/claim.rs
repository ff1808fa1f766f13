//! Ends the requests of processes that have died: they cannot finish any more.

use callsign_core::usage::judgement::Bill;

use super::Store;
use super::columns::{self, bind_row, read_row};
use crate::ledger::error::is_refusal;
use crate::ledger::increments::Increments;
use crate::ledger::record::Finished;
use crate::ledger::row::Row;

/// Maximum age of a live process's heartbeat: ten minutes in microseconds.
const GONE_US: i64 = 600_000_000;

impl Store {
    /// Takes over from the earlier process of the same data directory, if any, and from processes without a heartbeat
    /// for ten minutes. Returns the number of requests that cannot finish any more.
    pub(in crate::ledger) async fn claim(&mut self, before: Option<&str>) -> Result<u64, sqlx::Error> {
        let arguments = self.connection.arguments();
        let clock = self.connection.engine().clock_us();
        let sql = format!("SELECT node FROM nodes WHERE seen_us < {clock} - {GONE_US}");
        let gone = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        let mut nodes: Vec<_> = before.map(str::to_owned).into_iter().collect();
        for row in gone {
            nodes.extend(row.text(0)?);
        }
        nodes.sort();
        nodes.dedup();
        nodes.retain(|node| **node != *self.node);
        let mut unfinished = 0;
        for node in &nodes {
            unfinished += self.claim_one(node).await?;
        }
        Ok(unfinished)
    }

    async fn claim_one(&mut self, node: &str) -> Result<u64, sqlx::Error> {
        self.sum_up(node).await?;
        match self.claim_at_once(node).await {
            Err(error) if is_refusal(&error) => {
                self.reset().await?;
                let rows = self.open_requests(node).await?;
                self.write_each(&rows).await?;
                // The process is forgotten only now, so that a failure in between is repeated.
                self.claim_at_once(node).await?;
                Ok(rows.len() as u64)
            }
            claimed => claimed,
        }
    }

    /// Returns the requests that a process has left open, with an unknown end.
    async fn open_requests(&mut self, node: &str) -> Result<Vec<Row>, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        let sql = format!("SELECT {} FROM ledger WHERE node = $1", columns::all());
        let found = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        found.iter().map(|row| read_row(row).map(given_up)).collect()
    }

    async fn claim_at_once(&mut self, node: &str) -> Result<u64, sqlx::Error> {
        self.begin().await?;
        // If several processes try, one deletes it; the others wait and then find nothing.
        let mut arguments = self.connection.arguments();
        arguments.text(Some(node))?;
        if self.connection.execute("DELETE FROM nodes WHERE node = $1", arguments).await? == 0 {
            self.connection.rollback().await?;
            return Ok(0);
        }
        let rows = self.open_requests(node).await?;
        let statements = std::sync::Arc::clone(&self.statements);
        let placed = self.place(&rows).await?;
        let ended = statements.rows.run(&mut self.connection, &placed, bind_row).await?;
        self.apply(Increments::of(&placed)).await?;
        self.commit().await?;
        Ok(ended)
    }
}

/// Ends a request with an unknown outcome. OpenRouter may have a record of it.
fn given_up(mut row: Row) -> Row {
    let has_record = row.generation.is_some() && row.begun.account.is_some();
    let ended = Finished::unknown(if has_record { Bill::Pending } else { Bill::Never });
    row.ended = Some(Finished { generation: row.generation.clone(), ..ended });
    row
}
