//! Queries of users and their identifiers.

use std::collections::BTreeMap;

use super::{Reader, count, name, time};
use crate::ledger::digest;
use crate::ledger::engine::Row;
use crate::ledger::error::LedgerError;
use crate::ledger::increments::{CHAT, SESSION, USER};
use crate::ledger::query::{Collision, Filter, Found, Kind, Mapping, RequestFilter, Statistics, StoredRequest};
use crate::ledger::record::Name;
use crate::ledger::user_index::{START, of_user, start};
use crate::org_ids::OrgIds;

/// Identifiers per query when all of them are searched.
const PAGE: i64 = 5_000;
/// Maximum number of listed collisions.
const COLLISIONS: i64 = 1_000;
/// The latest requests of a user whose identifiers are listed.
const LATEST: u32 = 2_000;

/// The columns of [`read_found`].
const FOUND: &str = "i.kind, p.tenant, p.user_id, p.key_name, i.first_us, i.last_us, i.requests";

fn read_found(row: &Row, identifier: &str) -> Result<Found, LedgerError> {
    Ok(Found {
        kind: match row.count(0)? {
            USER => Kind::User,
            SESSION => Kind::Session,
            CHAT => Kind::Chat,
            _ => Kind::Message,
        },
        identifier: identifier.to_owned(),
        tenant: name(row, 1)?,
        user: name(row, 2)?,
        key: name(row, 3)?,
        first_seen: Some(time(row, 4)?),
        last_seen: Some(time(row, 5)?),
        requests: count(row, 6)?,
    })
}

/// The columns of [`read_mapping`], grouped by tenant and user. The latest identifier of several keys counts.
const MAPPING: &str = "tenant, user_id, MIN(first_us), MAX(last_us), CAST(SUM(requests) AS BIGINT), \
    (SELECT l.sent FROM people l WHERE substr(l.user_id, 1, 32) = substr(people.user_id, 1, 32) \
     AND l.user_id = people.user_id AND l.tenant = people.tenant \
     ORDER BY l.last_us DESC LIMIT 1)";

fn read_mapping(row: &Row) -> Result<Mapping, LedgerError> {
    Ok(Mapping {
        tenant: name(row, 0)?,
        user: row.text(1)?.unwrap_or_default(),
        first_seen: time(row, 2)?,
        last_seen: time(row, 3)?,
        requests: count(row, 4)?,
        external_user_id: row.text(5)?,
    })
}

impl Reader {
    /// Returns the users of an identifier, as sent or as stated, of any kind and in any tenant, latest first. It may be
    /// a generation id or a request id. `sha256(ORG_ID-user)` of each of `org_ids` is searched as well.
    pub async fn whois(&self, identifier: &str, org_ids: &OrgIds) -> Result<Vec<Found>, LedgerError> {
        let sql = format!("SELECT {FOUND} FROM identifiers i JOIN people p ON p.person = i.person WHERE i.digest = ");
        let rows = self.pool.fetch(self.ask(&sql).int(digest::identifier(identifier))?).await?;
        let mut found = rows.iter().map(|row| read_found(row, identifier)).collect::<Result<Vec<_>, _>>()?;
        for request in self.request(identifier).await? {
            let is_generation = request.generation.as_deref() == Some(identifier);
            found.push(of_request(&request, if is_generation { Kind::Generation } else { Kind::Request }, identifier));
        }
        if !org_ids.is_empty() && OrgIds::may_report(identifier) {
            found.extend(self.whois_upstream(identifier, org_ids).await?);
        }
        found.sort_by_key(|found| std::cmp::Reverse(found.last_seen));
        Ok(found)
    }

    /// Returns the users whose sent identifier has this digest: SHA-256 over `ORG_ID-user`. OpenRouter does not
    /// document the form in which providers see a user; another gateway has observed this one.
    async fn whois_upstream(&self, digest: &str, org_ids: &OrgIds) -> Result<Vec<Found>, LedgerError> {
        let (mut found, mut after) = (Vec::new(), -1);
        loop {
            let question = self
                .ask("SELECT digest, MIN(identifier) FROM identifiers WHERE identifier IS NOT NULL AND digest > ")
                .int(after)?
                .sql(" GROUP BY digest ORDER BY digest LIMIT ")
                .int(PAGE)?;
            let rows = self.pool.fetch(question).await?;
            for row in &rows {
                after = row.count(0)?;
                let sent = row.text(1)?.unwrap_or_default();
                if !org_ids.reports(&sent, digest) {
                    continue;
                }
                let sql = format!(
                    "SELECT {FOUND} FROM identifiers i JOIN people p ON p.person = i.person \
                     WHERE i.identifier IS NOT NULL AND i.digest = "
                );
                for row in self.pool.fetch(self.ask(&sql).int(after)?).await? {
                    found.push(Found { kind: Kind::Upstream, ..read_found(&row, digest)? });
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
        let question = self.ask(&format!("SELECT {MAPPING} FROM people WHERE user_id <> ''"));
        let mut question = of_user(question, Some(user))?;
        if let Some(tenant) = tenant {
            question = question.sql(" AND tenant = ").text(tenant)?;
        }
        let rows = self.pool.fetch(question.sql(" GROUP BY tenant, user_id ORDER BY tenant")).await?;
        rows.iter().map(read_mapping).collect()
    }

    /// Returns users in order of id and tenant. `after` is the last entry of the previous page.
    pub async fn mappings(&self, after: Option<&Mapping>, limit: u32) -> Result<Vec<Mapping>, LedgerError> {
        let (tenant, user) =
            after.map_or(("", ""), |after| (after.tenant.as_deref().unwrap_or_default(), after.user.as_str()));
        let question = self
            .ask(&format!("SELECT {MAPPING} FROM people WHERE user_id <> '' AND ({START}, user_id, tenant) > ("))
            .text(&start(user))?
            .sql(", ")
            .text(user)?
            .sql(", ")
            .text(tenant)?
            .sql(&format!(") GROUP BY {START}, user_id, tenant ORDER BY {START}, user_id, tenant LIMIT "))
            .int(i64::from(limit))?;
        self.pool.fetch(question).await?.iter().map(read_mapping).collect()
    }

    /// Returns the identifiers of one user in the latest requests, latest first, without messages and generations.
    /// `tenant` restricts them to one tenant; `""` means none.
    pub async fn identifiers_of(
        &self,
        user: &str,
        tenant: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, LedgerError> {
        let common = Filter { user: Some(user.to_owned()), tenant: tenant.map(str::to_owned), ..Filter::default() };
        let filter = RequestFilter { common, ..RequestFilter::default() };
        let page = self.requests(&filter, LATEST, std::time::Duration::MAX).await?;
        let mut found: Vec<Found> = Vec::new();
        for request in page.requests {
            for (kind, identifier) in request.identifiers().filter(|(kind, _)| *kind != Kind::Message) {
                let labels = &request.begun.labels;
                let is_same = |found: &Found| {
                    found.kind == kind
                        && *found.identifier == **identifier
                        && found.tenant.as_deref() == labels.tenant.as_deref()
                        && found.key.as_deref() == Some(&labels.key)
                };
                if found.len() < usize::try_from(limit).unwrap_or(usize::MAX) && !found.iter().any(is_same) {
                    found.extend(self.of_person(kind, identifier, &request).await?);
                }
            }
        }
        Ok(found)
    }

    /// Returns a user's id and the identifiers that were sent in the latest requests. `tenant` is as in
    /// [`Reader::identifiers_of`].
    pub async fn names_of(&self, user: &str, tenant: Option<&str>) -> Result<Vec<String>, LedgerError> {
        let identifiers = self.identifiers_of(user, tenant, LATEST).await?;
        let sent = identifiers.into_iter().filter(|found| found.kind == Kind::User).map(|found| found.identifier);
        let mut names: Vec<_> = sent.chain([user.to_owned()]).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Returns an identifier of a request's caller with its times.
    async fn of_person(
        &self,
        kind: Kind,
        identifier: &str,
        request: &StoredRequest,
    ) -> Result<Option<Found>, LedgerError> {
        let code = match kind {
            Kind::Session => SESSION,
            Kind::Chat => CHAT,
            _ => USER,
        };
        let sql = format!("SELECT {FOUND} FROM identifiers i JOIN people p ON p.person = i.person WHERE i.digest = ");
        let question = self.ask(&sql).int(digest::identifier(identifier))?.sql(" AND i.kind = ").int(code)?;
        let question = question.sql(" AND i.person = ").int(request.begun.labels.person_number())?;
        self.pool.fetch(question).await?.first().map(|row| read_found(row, identifier)).transpose()
    }

    /// Returns counts over all users.
    pub async fn statistics(&self) -> Result<Statistics, LedgerError> {
        let users = "SELECT COUNT(*), COUNT(sent) FROM (SELECT MAX(sent) AS sent FROM people WHERE user_id <> '' \
                     GROUP BY user_id, tenant) u";
        let users = self.pool.fetch(self.ask(users)).await?;
        let (users, mapped) =
            users.first().map_or(Ok::<_, LedgerError>((0, 0)), |row| Ok((count(row, 0)?, count(row, 1)?)))?;
        let sent = "FROM identifiers i JOIN people p ON p.person = i.person \
                    WHERE i.identifier IS NOT NULL AND p.user_id <> ''";
        let distinct = format!("SELECT COUNT(*) FROM (SELECT DISTINCT p.tenant, i.digest {sent}) d");
        let distinct = self.pool.fetch(self.ask(&distinct)).await?.first().map_or(Ok(0), |row| count(row, 0))?;
        let shared = self
            .ask(&format!(
                "SELECT DISTINCT p.tenant, i.identifier, p.user_id FROM identifiers i \
                 JOIN people p ON p.person = i.person JOIN (SELECT p.tenant AS tenant, i.digest AS digest \
                 {sent} GROUP BY p.tenant, i.digest HAVING COUNT(DISTINCT p.user_id) > 1 LIMIT "
            ))
            .int(COLLISIONS)?
            .sql(") d ON p.tenant = d.tenant AND i.digest = d.digest WHERE i.identifier IS NOT NULL AND p.user_id <> '' ORDER BY 1, 2, 3");
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

impl StoredRequest {
    /// Returns the identifiers of its caller, as sent and as stated.
    pub fn identifiers(&self) -> impl Iterator<Item = (Kind, &Name)> {
        let (labels, sent) = (&self.begun.labels, &self.begun.sent);
        let all = [
            (Kind::User, &sent.user),
            (Kind::User, &labels.user),
            (Kind::Session, &sent.session),
            (Kind::Session, &sent.metadata_session),
            (Kind::Session, &labels.session),
            (Kind::Chat, &sent.chat),
            (Kind::Chat, &labels.chat),
            (Kind::Message, &sent.message),
            (Kind::Message, &labels.message),
        ];
        all.into_iter().filter_map(|(kind, text)| text.as_ref().map(|text| (kind, text)))
    }

    /// Returns true if OpenRouter or a provider knows the request by this identifier: it is its generation id, was sent
    /// with it, or is the form that a provider may report of the user sent.
    pub fn was_sent(&self, identifier: &str, org_ids: &OrgIds) -> bool {
        let sent = &self.begun.sent;
        let known = [&sent.user, &sent.session, &sent.metadata_session, &sent.chat, &sent.message, &self.generation];
        known.into_iter().flatten().any(|known| **known == *identifier)
            || sent.user.as_deref().is_some_and(|user| org_ids.reports(user, identifier))
    }

    /// Returns true if [`Reader::whois`] finds this request's caller by this identifier.
    pub fn is_found_by(&self, identifier: &str, org_ids: &OrgIds) -> bool {
        self.was_sent(identifier, org_ids)
            || self.identifiers().any(|(_, known)| **known == *identifier)
            || identifier.parse() == Ok(self.begun.id)
    }
}

/// Returns the caller of a request.
fn of_request(request: &StoredRequest, kind: Kind, identifier: &str) -> Found {
    let labels = &request.begun.labels;
    let owned = |name: &Option<std::sync::Arc<str>>| name.as_deref().map(str::to_owned);
    let began = Some(crate::ledger::grain::timestamp(request.begun.began_us));
    Found {
        kind,
        identifier: identifier.to_owned(),
        tenant: owned(&labels.tenant),
        user: owned(&labels.user),
        key: Some(labels.key.as_ref().to_owned()).filter(|key| !key.is_empty()),
        first_seen: began,
        last_seen: began,
        requests: 1,
    }
}
