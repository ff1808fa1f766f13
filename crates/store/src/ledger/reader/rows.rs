//! Queries of single rows: messages, generations and missing costs.

use uuid::Uuid;

use super::{Reader, count, name, time};
use crate::ledger::error::LedgerError;
use crate::ledger::query::{Filter, Found, Kind, Owner, Page, Unpriced};
use crate::ledger::store::retain::first_id;

/// Maximum number of rows that one query for missing costs reads.
const WINDOW: i64 = 20_000;

/// The columns that are searched for a message or generation. Each has an index.
const PLACES: [(Kind, &str); 3] = [
    (Kind::Generation, "r.generation = "),
    (Kind::Message, "r.message = "),
    (Kind::Message, "r.sent_message IS NOT NULL AND r.sent_message IS DISTINCT FROM r.message AND r.sent_message = "),
];

impl Reader {
    /// Searches messages and generations for [`Reader::whois`].
    pub(super) async fn whois_in_rows(&self, identifier: &str) -> Result<Vec<Found>, LedgerError> {
        let mut found = Vec::new();
        for (kind, condition) in PLACES {
            let question = self
                .ask(&format!(
                    "SELECT c.tenant, c.user_id, c.key_name, MIN(r.began_us), MAX(r.began_us), COUNT(*) \
                     FROM requests r LEFT JOIN contexts c ON c.id = r.context WHERE {condition}"
                ))
                .text(identifier)?
                .sql(" GROUP BY c.tenant, c.user_id, c.key_name");
            for row in self.pool.fetch(question).await? {
                found.push(Found {
                    kind,
                    identifier: identifier.to_owned(),
                    tenant: name(&row, 0)?,
                    user: name(&row, 1)?,
                    key: name(&row, 2)?,
                    first_seen: Some(time(&row, 3)?),
                    last_seen: Some(time(&row, 4)?),
                    requests: count(&row, 5)?,
                });
            }
        }
        Ok(found)
    }

    /// Returns the callers of a generation; empty if it is unknown.
    pub async fn owner_of(&self, generation: &str) -> Result<Vec<Owner>, LedgerError> {
        let question = self.ask(
            "SELECT DISTINCT c.tenant, c.key_name, c.user_id FROM requests r JOIN contexts c ON c.id = r.context \
             WHERE r.generation = ",
        );
        let mut owners = Vec::new();
        for row in self.pool.fetch(question.text(generation)?).await? {
            let key = row.text(1)?.unwrap_or_default();
            owners.push(Owner { tenant: name(&row, 0)?, key, user: name(&row, 2)? });
        }
        Ok(owners)
    }

    /// Returns finished requests with a generation but without a cost, oldest first. Reads a bounded number of rows,
    /// so a page may be empty although another one follows.
    pub async fn unpriced(
        &self,
        filter: &Filter,
        after: Option<Page>,
    ) -> Result<(Vec<Unpriced>, Option<Page>), LedgerError> {
        let since = filter.since.map_or(Uuid::nil(), |since| first_id(since.as_microsecond()));
        let after = after.map_or(since, |Page(id)| id.max(since));
        let end = self.ask("SELECT id FROM requests WHERE id > ").bytes(after.as_bytes())?;
        let end = self.pool.fetch(end.sql(" ORDER BY id LIMIT 1 OFFSET ").int(WINDOW)?).await?;
        let end = end.first().map(|row| row.bytes(0)).transpose()?.and_then(|id| Uuid::from_slice(&id).ok());
        let mut question = self
            .ask(
                "SELECT r.id, r.generation, c.tenant, c.key_name, r.began_us FROM requests r \
                 LEFT JOIN contexts c ON c.id = r.context WHERE r.id > ",
            )
            .bytes(after.as_bytes())?
            .sql(" AND r.id <= ")
            .bytes(end.unwrap_or(Uuid::max()).as_bytes())?
            .sql(" AND r.generation IS NOT NULL AND r.cost IS NULL AND r.ending IS NOT NULL");
        for (column, value) in
            [("COALESCE(c.tenant, '')", &filter.tenant), ("c.user_id", &filter.user), ("c.key_name", &filter.key)]
        {
            if let Some(value) = value {
                question = question.sql(&format!(" AND {column} = ")).text(value)?;
            }
        }
        let mut unpriced = Vec::new();
        for row in self.pool.fetch(question.sql(" ORDER BY r.id")).await? {
            let Ok(id) = Uuid::from_slice(&row.bytes(0)?) else { continue };
            unpriced.push(Unpriced {
                id,
                generation: row.text(1)?.unwrap_or_default(),
                tenant: name(&row, 2)?,
                key: row.text(3)?.unwrap_or_default(),
                began: time(&row, 4)?,
            });
        }
        Ok((unpriced, end.map(Page)))
    }
}
