//! Queries of single requests (docs/SPEC.md#requests), and of pending costs.

use std::time::{Duration, Instant};

use callsign_core::endpoint::video::CREATE as JOBS;
use callsign_core::request_id::RequestId;
use jiff::Timestamp;

use super::usage::{equal, of_people};
use super::{Reader, count, name, time};
use crate::ledger::engine::Row as SqlRow;
use crate::ledger::error::LedgerError;
use crate::ledger::pool::Question;
use crate::ledger::query::{Filter, Owner, Pending, Rejected, RequestFilter, RequestPage, StoredRequest};
use crate::ledger::row::{Row, ending_named};
use crate::ledger::store::columns::{all, read_row};
use crate::ledger::user_index::of_user;

/// Rows per query of a search without an index.
const WINDOW: i64 = 5_000;
/// Maximum number of people whose lists of requests are merged. The requests of more are searched without an index.
const LISTED: usize = 32;

/// The columns of [`read_pending`].
const PENDING: &str = "id, generation, account, tenant, key_name, user_id, sent_user, began_us, endpoint";

fn read_pending(row: &SqlRow) -> Result<Option<Pending>, LedgerError> {
    let Some(id) = RequestId::from_bytes(&row.bytes(0)?) else { return Ok(None) };
    Ok(Some(Pending {
        id,
        generation: row.text(1)?.unwrap_or_default(),
        is_job: row.text(8)?.as_deref() == Some(JOBS),
        account: row.text(2)?,
        tenant: name(row, 3)?,
        key: row.text(4)?.unwrap_or_default(),
        user: name(row, 5)?,
        sent_user: row.text(6)?,
        began: time(row, 7)?,
    }))
}

impl From<Row> for StoredRequest {
    fn from(row: Row) -> Self {
        let Row { begun, node: _, generation, count, ended } = row;
        Self { begun, generation, count: u64::try_from(count).unwrap_or_default(), ended }
    }
}

impl Reader {
    /// Maximum number of requests that [`Reader::pending`] returns.
    pub const PENDING_PAGE: usize = 1_000;

    /// Returns the requests with this request id or generation id.
    pub async fn request(&self, id: &str) -> Result<Vec<StoredRequest>, LedgerError> {
        let question = self.ask(&format!("SELECT {} FROM ledger WHERE ", all()));
        let question = match id.parse::<RequestId>() {
            Ok(id) => question.sql("id = ").bytes(id.as_bytes())?,
            Err(_) => question.sql("generation = ").text(id)?,
        };
        self.read(question.sql(" ORDER BY id DESC LIMIT 100")).await
    }

    /// Returns up to `limit` requests, newest first. A user and an error have an index. Other filters are searched
    /// newest first, until `patience` has passed.
    pub async fn requests(
        &self,
        filter: &RequestFilter,
        limit: u32,
        patience: Duration,
    ) -> Result<RequestPage, LedgerError> {
        let started = Instant::now();
        let floor = filter.common.since.map_or(RequestId::MIN, |since| RequestId::first_at(since.as_microsecond()));
        let until = filter.common.until.map_or(RequestId::MAX, |until| RequestId::first_at(until.as_microsecond()));
        let mut below = filter.before.map_or(until, |before| before.min(until));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let people = if filter.common.names_people() { self.people(&filter.common).await? } else { Vec::new() };
        if filter.common.names_people() && people.len() <= LISTED {
            return self.requests_of(&people, filter, floor, below, limit).await;
        }
        let has_index = filter.error.is_some();
        let mut page = RequestPage::default();
        loop {
            let bottom = if has_index { None } else { self.bottom(below, floor).await? };
            let left = limit - page.requests.len();
            let question = self.ask(&format!("SELECT {} FROM ledger WHERE ", all()));
            let question = between(question, "id", bottom.unwrap_or(floor), below)?;
            let question = selected(of_people(question, &filter.common)?, filter)?.sql(" ORDER BY id DESC LIMIT ");
            let found = self.read(question.int(i64::try_from(left).unwrap_or(i64::MAX))?).await?;
            let is_full = found.len() == left;
            page.requests.extend(found);
            if is_full {
                page.next = page.requests.last().map(|request| request.begun.id);
                return Ok(page);
            }
            let Some(bottom) = bottom.filter(|bottom| *bottom > floor) else { return Ok(page) };
            below = bottom;
            if started.elapsed() >= patience {
                page.next = Some(below);
                page.searched_back_to = Some(began(below));
                return Ok(page);
            }
        }
    }

    /// Returns the numbers of the people that a filter selects.
    async fn people(&self, filter: &Filter) -> Result<Vec<i64>, LedgerError> {
        let mut question = self.ask("SELECT person FROM people WHERE 1 = 1");
        question = of_user(question, filter.user.as_deref())?;
        question = equal(question, "key_name", filter.key.as_deref())?;
        question = equal(question, "tenant", filter.tenant.as_deref())?;
        let rows = self.pool.fetch(question.sql(" LIMIT ").int(1 + i64::try_from(LISTED).unwrap_or_default())?).await?;
        Ok(rows.iter().map(|row| row.count(0)).collect::<Result<_, _>>()?)
    }

    /// Returns requests of a few people by the list of each one's finished requests, and those in flight.
    async fn requests_of(
        &self,
        people: &[i64],
        filter: &RequestFilter,
        floor: RequestId,
        below: RequestId,
        limit: usize,
    ) -> Result<RequestPage, LedgerError> {
        let (most, mut requests) = (i64::try_from(limit).unwrap_or(i64::MAX), Vec::new());
        let columns = all().split(", ").map(|name| format!("l.{name}")).collect::<Vec<_>>().join(", ");
        for person in people {
            let sql =
                format!("SELECT {columns} FROM requests_by_person b JOIN ledger l ON l.id = b.id WHERE b.person = ");
            let question = between(self.ask(&sql).int(*person)?.sql(" AND "), "b.id", floor, below)?;
            let question = selected(question, filter)?.sql(" ORDER BY b.id DESC LIMIT ").int(most)?;
            requests.extend(self.read(question).await?);
            // Without the inner query SQLite searches all rows of the period.
            let running = "id IN (SELECT id FROM requests WHERE node IS NOT NULL)";
            let question = self.ask(&format!("SELECT {} FROM ledger WHERE {running} AND person = ", all()));
            let question = between(question.int(*person)?.sql(" AND "), "id", floor, below)?;
            let question = selected(question, filter)?.sql(" ORDER BY id DESC LIMIT ").int(most)?;
            requests.extend(self.read(question).await?);
        }
        requests.sort_by_key(|request| std::cmp::Reverse(request.begun.id));
        // A request may have ended between the two queries.
        requests.dedup_by_key(|request| request.begun.id);
        requests.truncate(limit);
        let next = if requests.len() == limit { requests.last().map(|request| request.begun.id) } else { None };
        Ok(RequestPage { requests, next, searched_back_to: None })
    }

    /// Returns the id of the last row of the next window, if there are more rows.
    async fn bottom(&self, below: RequestId, floor: RequestId) -> Result<Option<RequestId>, LedgerError> {
        let question = self.ask("SELECT id FROM requests WHERE id < ").bytes(below.as_bytes())?;
        let question = question.sql(" AND id >= ").bytes(floor.as_bytes())?;
        let rows = self.pool.fetch(question.sql(" ORDER BY id DESC LIMIT 1 OFFSET ").int(WINDOW)?).await?;
        let id = rows.first().map(|row| row.bytes(0)).transpose()?;
        Ok(id.and_then(|id| RequestId::from_bytes(&id)))
    }

    async fn read(&self, question: Question) -> Result<Vec<StoredRequest>, LedgerError> {
        let rows = self.pool.fetch(question).await?;
        rows.iter().map(|row| Ok(read_row(row)?.into())).collect()
    }

    /// Returns the callers of a generation; empty if it is unknown.
    pub async fn owner_of(&self, generation: &str) -> Result<Vec<Owner>, LedgerError> {
        let question = self.ask("SELECT DISTINCT tenant, key_name, user_id FROM ledger WHERE generation = ");
        self.owners(question.text(generation)?).await
    }

    async fn owners(&self, question: Question) -> Result<Vec<Owner>, LedgerError> {
        let mut owners = Vec::new();
        for row in self.pool.fetch(question).await? {
            let key = row.text(1)?.unwrap_or_default();
            owners.push(Owner { tenant: name(&row, 0)?, key, user: name(&row, 2)? });
        }
        Ok(owners)
    }

    /// Returns the callers who created a job; empty if it is unknown.
    pub async fn owner_of_job(&self, job: &str) -> Result<Vec<Owner>, LedgerError> {
        let sql = format!(
            "SELECT DISTINCT tenant, key_name, user_id FROM ledger WHERE endpoint = '{JOBS}' AND generation = "
        );
        self.owners(self.ask(&sql).text(job)?).await
    }

    /// Returns the request that created a job, if the job's cost is pending.
    pub async fn pending_job(&self, job: &str) -> Result<Option<Pending>, LedgerError> {
        let sql = format!("SELECT {PENDING} FROM ledger WHERE endpoint = '{JOBS}' AND bill = 2 AND generation = ");
        let rows = self.pool.fetch(self.ask(&sql).text(job)?).await?;
        rows.first().map_or(Ok(None), read_pending)
    }

    /// Returns the number of a caller's jobs since a time whose cost is pending. A caller without a user is their key.
    pub async fn open_jobs(&self, caller: &Owner, since: Timestamp) -> Result<u64, LedgerError> {
        let filter = Filter {
            tenant: Some(caller.tenant.clone().unwrap_or_default()),
            user: Some(caller.user.clone().unwrap_or_default()),
            key: caller.user.is_none().then(|| caller.key.clone()),
            ..Filter::default()
        };
        let sql = format!("SELECT COUNT(*) FROM ledger WHERE endpoint = '{JOBS}' AND bill = 2 AND id > ");
        let question = self.ask(&sql).bytes(RequestId::first_at(since.as_microsecond()).as_bytes())?;
        let rows = self.pool.fetch(of_people(question, &filter)?).await?;
        rows.first().map_or(Ok(0), |row| count(row, 0))
    }

    /// Returns a page of requests whose cost is pending, oldest first, after this one.
    pub async fn pending(&self, filter: &Filter, after: Option<RequestId>) -> Result<Vec<Pending>, LedgerError> {
        let since = filter.since.map_or(RequestId::MIN, |since| RequestId::first_at(since.as_microsecond()));
        let question = self.ask(&format!("SELECT {PENDING} FROM ledger WHERE bill = 2 AND id > "));
        let question = of_people(question.bytes(after.unwrap_or(since).max(since).as_bytes())?, filter)?;
        let mut pending = Vec::new();
        for row in self
            .pool
            .fetch(question.sql(" ORDER BY id LIMIT ").int(i64::try_from(Self::PENDING_PAGE).unwrap_or(i64::MAX))?)
            .await?
        {
            pending.extend(read_pending(&row)?);
        }
        Ok(pending)
    }

    /// Returns the rows that the database refused, newest first, at most 1,000.
    pub async fn rejected(&self) -> Result<Vec<Rejected>, LedgerError> {
        let noted = self.ask("SELECT id, at_us, reason FROM rejected ORDER BY id DESC LIMIT 1000");
        let mut rejected = Vec::new();
        for row in self.pool.fetch(noted).await? {
            let Some(id) = RequestId::from_bytes(&row.bytes(0)?) else { continue };
            let request = self.ask(&format!("SELECT {} FROM ledger WHERE id = ", all())).bytes(id.as_bytes())?;
            let request = self.read(request).await?.pop();
            rejected.push(Rejected { id, at: time(&row, 1)?, reason: row.text(2)?.unwrap_or_default(), request });
        }
        Ok(rejected)
    }

    /// Returns the number of requests whose cost is pending, and of those whose cost can never be found.
    pub async fn unpriced(&self) -> Result<(u64, u64), LedgerError> {
        let pending = self.pool.fetch(self.ask("SELECT COUNT(*) FROM requests WHERE bill = 2")).await?;
        let pending = pending.first().map_or(Ok(0), |row| count(row, 0))?;
        let never = self.ask(
            "SELECT CAST(SUM(never) AS BIGINT) FROM (SELECT never FROM sums WHERE grain = 2 UNION ALL \
             SELECT never FROM sums WHERE grain = 0 AND bucket_us >= (SELECT folded_us FROM state)) s",
        );
        let never = self.pool.fetch(never).await?.first().map_or(Ok(0), |row| count(row, 0))?;
        Ok((pending, never))
    }

    /// Returns the start of the oldest request in the ledger.
    pub async fn oldest(&self) -> Result<Option<Timestamp>, LedgerError> {
        let rows = self.pool.fetch(self.ask("SELECT began_us FROM requests ORDER BY id LIMIT 1")).await?;
        rows.first().map(|row| time(row, 0)).transpose()
    }
}

/// Returns the time of a request id.
fn began(id: RequestId) -> Timestamp {
    let ms = id.as_bytes().iter().take(6).fold(0_i64, |ms, byte| ms << 8 | i64::from(*byte));
    crate::ledger::grain::timestamp(ms.saturating_mul(1000))
}

/// Adds the condition that an id is in a range.
fn between(question: Question, id: &str, floor: RequestId, below: RequestId) -> Result<Question, LedgerError> {
    let question = question.sql(&format!("{id} < ")).bytes(below.as_bytes())?;
    question.sql(&format!(" AND {id} >= ")).bytes(floor.as_bytes())
}

/// Adds the conditions of a filter, except those on people.
fn selected(mut question: Question, filter: &RequestFilter) -> Result<Question, LedgerError> {
    let common = &filter.common;
    if let Some(model) = &common.model {
        question = question.sql(" AND (model = ").text(model)?.sql(" OR requested_model = ").text(model)?.sql(")");
    }
    question = equal(question, "provider", common.provider.as_deref())?;
    question = equal(question, "error", filter.error.as_deref())?;
    if let Some(status) = common.status {
        question = question.sql(" AND status = ").int(i64::from(status))?;
    }
    if let Some(ending) = &filter.ending {
        // An unknown name matches nothing.
        question = question.sql(" AND ending = ").int(ending_named(ending).unwrap_or(-1))?;
    }
    Ok(question)
}
