//! Removes names that only rejected rows have brought into the tables (docs/SPEC.md#rejected-rows).

use std::collections::HashSet;

use callsign_core::request_id::{LENGTH, RequestId};

use super::state::State;
use super::{Store, VALUES};
use crate::ledger::engine::Arguments;
use crate::ledger::insert::placeholders;

/// Finished rows of a person that are searched for the contexts in use. A person with more rows keeps all contexts.
const SEARCHED: usize = 1_000;

impl Store {
    /// Begins a transaction that may remove names. On PostgreSQL no other writer has an open transaction until its end.
    /// Afterwards no writer relies on what it remembers of the tables.
    pub(super) async fn begin_alone(&mut self) -> Result<(), sqlx::Error> {
        self.connection.begin().await?;
        // The first statement: a transaction that has read the row already could wait for another one in a circle.
        let none = self.connection.arguments();
        self.connection.execute("UPDATE state SET forgotten = forgotten + 1", none).await?;
        self.state = State::read(&mut self.connection).await?;
        self.known.clear();
        self.contexts.clear();
        Ok(())
    }

    /// Deletes the contexts of a person that no row uses, and the person if no row is theirs. The transaction was begun
    /// with [`Self::begin_alone`].
    pub(super) async fn remove_unused_names(&mut self, person: i64) -> Result<(), sqlx::Error> {
        let Some(used) = self.contexts_in_use(person).await? else { return Ok(()) };
        let theirs = self.of_person(person)?;
        let contexts = self.numbers("SELECT context FROM contexts WHERE person = $1", theirs).await?;
        let unused: Vec<_> = contexts.difference(&used).copied().collect();
        for chunk in unused.chunks(VALUES) {
            let mut arguments = self.connection.arguments();
            chunk.iter().try_for_each(|context| arguments.int(Some(*context)))?;
            let sql = format!("DELETE FROM contexts WHERE context IN ({})", placeholders(chunk.len()));
            self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await?;
        }
        let sql = "DELETE FROM people WHERE person = $1 AND requests = 0 \
                   AND NOT EXISTS (SELECT 1 FROM contexts c WHERE c.person = people.person)";
        let theirs = self.of_person(person)?;
        self.connection.execute(sql, theirs).await.map(drop)
    }

    /// Returns the contexts of a person's rows, and of all rows that no list of a person has yet. `None` if there are
    /// too many rows to search.
    async fn contexts_in_use(&mut self, person: i64) -> Result<Option<HashSet<i64>>, sqlx::Error> {
        let listed = format!(
            "SELECT r.context FROM requests_by_person b JOIN requests r ON r.id = b.id WHERE b.person = $1 LIMIT {}",
            SEARCHED + 1
        );
        let theirs = self.of_person(person)?;
        let found = self.connection.fetch(sqlx::AssertSqlSafe(listed), theirs).await?;
        if found.len() > SEARCHED {
            return Ok(None);
        }
        let mut used: HashSet<i64> = found.iter().map(|row| row.count(0)).collect::<Result<_, _>>()?;
        let none = self.connection.arguments();
        used.extend(self.numbers("SELECT context FROM requests WHERE node IS NOT NULL", none).await?);
        let none = self.connection.arguments();
        let mut unsummed = Vec::new();
        for row in self.connection.fetch("SELECT ids FROM unsummed", none).await? {
            unsummed.extend(row.bytes(0)?.chunks(LENGTH).filter_map(RequestId::from_bytes));
        }
        for chunk in unsummed.chunks(VALUES) {
            let mut arguments = self.connection.arguments();
            chunk.iter().try_for_each(|id| arguments.bytes(id.as_bytes()))?;
            let sql = format!("SELECT context FROM requests WHERE id IN ({})", placeholders(chunk.len()));
            used.extend(self.numbers(sqlx::AssertSqlSafe(sql), arguments).await?);
        }
        Ok(Some(used))
    }

    fn of_person(&self, person: i64) -> Result<Arguments, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(person))?;
        Ok(arguments)
    }

    /// Returns the numbers in the first column of a query.
    async fn numbers(&mut self, sql: impl sqlx::SqlSafeStr, arguments: Arguments) -> Result<HashSet<i64>, sqlx::Error> {
        self.connection.fetch(sql, arguments).await?.iter().map(|row| row.count(0)).collect()
    }
}
