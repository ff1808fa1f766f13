//! Queries of users and their identifiers.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Reader, count, name, time};
use crate::ledger::engine::Row;
use crate::ledger::error::LedgerError;
use crate::ledger::query::{Collision, Found, Kind, Mapping, Statistics};
use crate::ledger::tally;

/// Identifiers per query when all of them are searched.
const PAGE: i64 = 5_000;
/// Maximum number of listed collisions.
const COLLISIONS: i64 = 1_000;

/// The columns of [`read_found`].
const FOUND: &str = "kind, identifier, tenant, user_id, key_name, first_us, last_us, requests";

fn read_found(row: &Row) -> Result<Found, LedgerError> {
    Ok(Found {
        kind: match row.count(0)? {
            tally::USER => Kind::User,
            tally::SESSION => Kind::Session,
            _ => Kind::Chat,
        },
        identifier: row.text(1)?.unwrap_or_default(),
        tenant: name(row, 2)?,
        user: name(row, 3)?,
        key: name(row, 4)?,
        first_seen: Some(time(row, 5)?),
        last_seen: Some(time(row, 6)?),
        requests: count(row, 7)?,
    })
}

/// The columns of [`read_mapping`].
const MAPPING: &str = "tenant, user_id, sent, first_us, last_us, requests";

fn read_mapping(row: &Row) -> Result<Mapping, LedgerError> {
    Ok(Mapping {
        tenant: name(row, 0)?,
        user: row.text(1)?.unwrap_or_default(),
        external_user_id: row.text(2)?,
        first_seen: time(row, 3)?,
        last_seen: time(row, 4)?,
        requests: count(row, 5)?,
    })
}

impl Reader {
    /// Returns the users of an identifier, as sent or as stated, of any kind and in any tenant, latest first. With
    /// `org_id`, `sha256(ORG_ID-user)` is searched as well.
    pub async fn whois(&self, identifier: &str, org_id: Option<&str>) -> Result<Vec<Found>, LedgerError> {
        let sql = format!("SELECT {FOUND} FROM identifiers WHERE kind IN (0, 1, 2) AND identifier = ");
        let rows = self.pool.fetch(self.ask(&sql).text(identifier)?).await?;
        let mut found = rows.iter().map(read_found).collect::<Result<Vec<_>, _>>()?;
        found.extend(self.whois_in_rows(identifier).await?);
        if let Some(org_id) = org_id
            && identifier.len() == 64
            && identifier.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            found.extend(self.whois_upstream(identifier, org_id).await?);
        }
        found.sort_by_key(|found| std::cmp::Reverse(found.last_seen));
        Ok(found)
    }

    /// Returns the users whose sent identifier has this digest: SHA-256 over `ORG_ID-user`. OpenRouter does not
    /// document the form in which providers see a user; another gateway has observed this one.
    async fn whois_upstream(&self, digest: &str, org_id: &str) -> Result<Vec<Found>, LedgerError> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let question = self
                .ask("SELECT DISTINCT identifier FROM identifiers WHERE kind = 0 AND way >= 2 AND identifier > ")
                .text(&after)?
                .sql(" ORDER BY identifier LIMIT ")
                .int(PAGE)?;
            let rows = self.pool.fetch(question).await?;
            for row in &rows {
                after = row.text(0)?.unwrap_or_default();
                let form = Sha256::digest(format!("{org_id}-{after}"));
                if data_encoding::HEXLOWER.encode(&form) != digest.to_ascii_lowercase() {
                    continue;
                }
                let sql = format!("SELECT {FOUND} FROM identifiers WHERE kind = 0 AND way >= 2 AND identifier = ");
                for row in self.pool.fetch(self.ask(&sql).text(&after)?).await? {
                    found.push(Found { kind: Kind::Upstream, identifier: digest.to_owned(), ..read_found(&row)? });
                }
            }
            if rows.is_empty() || !found.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Returns the mapping of a user, one entry for each tenant that has a user with this id. `tenant` restricts it to
    /// one tenant; `""` means none.
    pub async fn mapping(&self, user: &str, tenant: Option<&str>) -> Result<Vec<Mapping>, LedgerError> {
        let mut question = self.ask(&format!("SELECT {MAPPING} FROM users WHERE user_id = ")).text(user)?;
        if let Some(tenant) = tenant {
            question = question.sql(" AND tenant = ").text(tenant)?;
        }
        let rows = self.pool.fetch(question.sql(" ORDER BY tenant")).await?;
        rows.iter().map(read_mapping).collect()
    }

    /// Returns users in order of tenant and id. `after` is the last entry of the previous page.
    pub async fn mappings(&self, after: Option<&Mapping>, limit: u32) -> Result<Vec<Mapping>, LedgerError> {
        let (tenant, user) =
            after.map_or(("", ""), |after| (after.tenant.as_deref().unwrap_or_default(), after.user.as_str()));
        let question = self
            .ask(&format!("SELECT {MAPPING} FROM users WHERE (tenant, user_id) > ("))
            .text(tenant)?
            .sql(", ")
            .text(user)?
            .sql(") ORDER BY tenant, user_id LIMIT ")
            .int(i64::from(limit))?;
        self.pool.fetch(question).await?.iter().map(read_mapping).collect()
    }

    /// Returns the identifiers of one user, latest first, without messages and generations. `tenant` restricts them to
    /// one tenant; `""` means none.
    pub async fn identifiers_of(
        &self,
        user: &str,
        tenant: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, LedgerError> {
        let mut question = self.ask(&format!("SELECT {FOUND} FROM identifiers WHERE user_id = ")).text(user)?;
        if let Some(tenant) = tenant {
            question = question.sql(" AND tenant = ").text(tenant)?;
        }
        let question = question.sql(" ORDER BY last_us DESC, kind, identifier LIMIT ").int(i64::from(limit))?;
        self.pool.fetch(question).await?.iter().map(read_found).collect()
    }

    /// Returns counts over all users.
    pub async fn statistics(&self) -> Result<Statistics, LedgerError> {
        let users = self.pool.fetch(self.ask("SELECT COUNT(*), COUNT(sent) FROM users")).await?;
        let (users, mapped) =
            users.first().map_or(Ok::<_, LedgerError>((0, 0)), |row| Ok((count(row, 0)?, count(row, 1)?)))?;
        let sent = "FROM identifiers WHERE kind = 0 AND way >= 2 AND user_id <> ''";
        let distinct = self.ask(&format!("SELECT COUNT(*) FROM (SELECT DISTINCT tenant, identifier {sent}) d"));
        let distinct = self.pool.fetch(distinct).await?.first().map_or(Ok(0), |row| count(row, 0))?;
        let shared = self
            .ask(&format!(
                "SELECT DISTINCT i.tenant, i.identifier, i.user_id FROM identifiers i JOIN (SELECT tenant, identifier \
                 {sent} GROUP BY tenant, identifier HAVING COUNT(DISTINCT user_id) > 1 LIMIT "
            ))
            .int(COLLISIONS)?
            .sql(
                ") d ON i.tenant = d.tenant AND i.identifier = d.identifier \
                 WHERE i.kind = 0 AND i.way >= 2 AND i.user_id <> '' ORDER BY 1, 2, 3",
            );
        let mut collisions: BTreeMap<(Option<String>, String), Vec<_>> = BTreeMap::new();
        for row in self.pool.fetch(shared).await? {
            let (tenant, identifier) = (name(&row, 0)?, row.text(1)?.unwrap_or_default());
            let user = (tenant.clone(), row.text(2)?.unwrap_or_default());
            collisions.entry((tenant, identifier)).or_default().push(user);
        }
        let collisions = collisions
            .into_iter()
            .map(|((_, external_user_id), users)| Collision { external_user_id, users })
            .collect();
        Ok(Statistics { users, mapped, unmapped: users.saturating_sub(mapped), distinct, collisions })
    }
}
