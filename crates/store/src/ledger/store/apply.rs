//! Adds the sums in memory to the tables of sums, errors, identifiers and users.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::Store;
use super::statements::Statements;
use crate::ledger::engine::Arguments;
use crate::ledger::insert::placeholders;
use crate::ledger::names::Name;
use crate::ledger::sums::Sums;
use crate::ledger::tally::{ErrorKey, Folded, IdentifierKey, SENT, Seen, SumKey, USER};

/// Identifiers per query.
const IDENTIFIERS: usize = 64;
/// Maximum number of cached digests, of 8 bytes each.
const REMEMBERED: usize = 200_000;

impl Store {
    /// Adds the increments within the current transaction. Returns the number of users that newly share an identifier
    /// with another user.
    pub(super) async fn apply(&mut self, folded: &Folded) -> Result<usize, sqlx::Error> {
        let collisions = self.collisions(folded).await?;
        let statements: Arc<Statements> = Arc::clone(&self.statements);
        let connection = &mut self.connection;
        let sums: Vec<_> = folded.sums.iter().collect();
        statements.sums.run(connection, &sums, |(key, sums), to| bind_sums(key, sums, to)).await?;
        let errors: Vec<_> = folded.errors.iter().collect();
        statements.errors.run(connection, &errors, |(key, count), to| bind_error(key, **count, to)).await?;
        let identifiers: Vec<_> = folded.identifiers.iter().collect();
        statements
            .identifiers
            .run(connection, &identifiers, |(key, seen), to| bind_identifier(key, **seen, to))
            .await?;
        let users: Vec<_> = folded.users.iter().collect();
        statements.users.run(connection, &users, |(key, seen), to| bind_user(key, seen, to)).await?;
        Ok(collisions)
    }

    /// Returns the number of users whose identifier is new for them and was sent for another user of their tenant.
    async fn collisions(&mut self, folded: &Folded) -> Result<usize, sqlx::Error> {
        let sent = folded
            .identifiers
            .iter()
            .filter(|(key, (way, _))| key.kind == USER && way & SENT != 0 && !key.user.is_empty());
        let hasher = &self.hasher;
        let digest = |key: &IdentifierKey| hasher.hash_one((&key.tenant, &key.identifier, &key.user));
        let new: Vec<_> =
            sent.map(|(key, _)| (key, digest(key))).filter(|(_, digest)| !self.known.contains(digest)).collect();
        if new.is_empty() {
            return Ok(0);
        }
        let mut there: HashSet<(Name, Name, Name)> = HashSet::new();
        let sql: Arc<str> = format!(
            "SELECT tenant, identifier, user_id FROM identifiers WHERE kind = 0 AND way >= 2 AND user_id <> '' \
             AND identifier IN ({})",
            placeholders(IDENTIFIERS)
        )
        .into();
        for chunk in new.chunks(IDENTIFIERS) {
            let mut arguments = self.connection.arguments();
            let Some(last) = chunk.last() else { break };
            for (key, _) in chunk.iter().chain(std::iter::repeat(last)).take(IDENTIFIERS) {
                arguments.shared(Some(&key.identifier))?;
            }
            for row in self.connection.fetch(sqlx::AssertSqlSafe(Arc::clone(&sql)), arguments).await? {
                let name = |column| row.text(column).map(|text| Name::from(text.unwrap_or_default()));
                there.insert((name(0)?, name(1)?, name(2)?));
            }
        }
        let mut collisions = 0;
        for (key, digest) in new {
            let here = (Arc::clone(&key.tenant), Arc::clone(&key.identifier), Arc::clone(&key.user));
            if !there.contains(&here) {
                let shared = there.iter().any(|(tenant, identifier, _)| *tenant == here.0 && *identifier == here.1);
                collisions += usize::from(shared);
                there.insert(here);
            }
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            // If the transaction fails, the store and this cache are dropped.
            self.known.insert(digest);
        }
        Ok(collisions)
    }
}

fn bind_sums(key: &SumKey, sums: &Sums, to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.int(Some(key.grain))?;
    to.int(Some(key.bucket_us))?;
    for name in [&key.tenant, &key.key, &key.user, &key.model, &key.endpoint] {
        to.shared(Some(name))?;
    }
    sums.values().into_iter().try_for_each(|value| to.int(Some(value)))
}

fn bind_error(key: &ErrorKey, count: i64, to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.int(Some(key.bucket_us))?;
    for name in [&key.tenant, &key.key, &key.user, &key.kind] {
        to.shared(Some(name))?;
    }
    to.int(Some(count))
}

fn bind_identifier(key: &IdentifierKey, (way, seen): (i64, Seen), to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.int(Some(key.kind))?;
    for name in [&key.identifier, &key.tenant, &key.user, &key.key] {
        to.shared(Some(name))?;
    }
    [way, seen.first_us, seen.last_us, seen.requests].into_iter().try_for_each(|value| to.int(Some(value)))
}

fn bind_user(
    (tenant, user): &(Name, Name),
    (sent, seen): &(Option<Name>, Seen),
    to: &mut Arguments,
) -> Result<(), sqlx::Error> {
    to.shared(Some(tenant))?;
    to.shared(Some(user))?;
    to.shared(sent.as_ref())?;
    [seen.first_us, seen.last_us, seen.requests].into_iter().try_for_each(|value| to.int(Some(value)))
}
