//! Queries of sums: usage by name, usage over time, times to the first byte, and errors.

use jiff::tz::TimeZone;

use super::spans::{Span, spans};
use super::{Reader, count, name, time};
use crate::ledger::engine::Row;
use crate::ledger::error::LedgerError;
use crate::ledger::grain::{self, DAY_US, Grain, timestamp};
use crate::ledger::pool::Question;
use crate::ledger::query::{By, Errors, Filter, Latency, Point, Split, Step, UsageRow};
use callsign_core::usage::money::NanoUsd;

/// The summed columns of every usage query, in the order of [`read_sums`].
const SUMMED: [&str; 10] = [
    "requests",
    "errors",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "charged",
    "first_byte_us",
    "first_bytes",
];

/// Returns the summed columns as SQL, cast to 64 bits because PostgreSQL's `SUM` returns a wider type.
fn summed() -> String {
    let sums: Vec<_> = SUMMED.iter().map(|name| format!("CAST(SUM({name}) AS BIGINT)")).collect();
    format!("{}, MAX(last_us)", sums.join(", "))
}

/// Reads the sums of a row, starting at this column.
fn read_sums(row: &Row, first: usize) -> Result<UsageRow, LedgerError> {
    Ok(UsageRow {
        requests: count(row, first)?,
        errors: count(row, first + 1)?,
        prompt_tokens: count(row, first + 2)?,
        completion_tokens: count(row, first + 3)?,
        cached_tokens: count(row, first + 4)?,
        reasoning_tokens: count(row, first + 5)?,
        cost: NanoUsd(row.count(first + 6)?),
        charged: NanoUsd(row.count(first + 7)?),
        first_byte_us: count(row, first + 8)?,
        first_bytes: count(row, first + 9)?,
        last_seen: Some(time(row, first + 10)?),
        ..UsageRow::default()
    })
}

/// Returns true if a sum is not zero. Sums of the unknown model become zero when the model becomes known.
fn is_something(sums: &UsageRow) -> bool {
    sums.requests > 0 || sums.cost != NanoUsd(0) || sums.prompt_tokens > 0
}

impl Reader {
    /// Returns usage by group, largest cost first; days are in order of time.
    pub async fn usage(&self, by: By, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
        if by == By::Day {
            let points = self.series(Step::Day, Split::None, filter).await?;
            return Ok(points.into_iter().map(|point| UsageRow { key: Some(day(point.at)), ..point.sums }).collect());
        }
        let (keys, group) = match by {
            By::User => ("user_id, tenant", "user_id, tenant"),
            By::App => ("key_name, tenant", "key_name, tenant"),
            By::Model | By::Day => ("model, ''", "model"),
            By::Tenant => ("tenant, tenant", "tenant"),
        };
        let question = self.ask(&format!("SELECT {keys}, {} FROM (", summed()));
        let question = self.over_sums(question, Grain::Month, filter).await?.sql(&format!(") s GROUP BY {group}"));
        let mut usage = Vec::new();
        for row in self.pool.fetch(question).await? {
            usage.push(UsageRow { key: name(&row, 0)?, tenant: name(&row, 1)?, ..read_sums(&row, 2)? });
        }
        usage.retain(is_something);
        usage.sort_by(|a, b| (b.cost, b.requests, &a.key, &a.tenant).cmp(&(a.cost, a.requests, &b.key, &b.tenant)));
        if by == By::User {
            self.add_sent(&mut usage, filter).await?;
        }
        Ok(usage)
    }

    /// Returns usage over time, oldest first. Steps without requests are absent.
    pub async fn series(&self, step: Step, split: Split, filter: &Filter) -> Result<Vec<Point>, LedgerError> {
        let names_matter = filter.user.is_some() || filter.key.is_some();
        let (grain, width) = match step {
            Step::Hour => (Grain::Hour, grain::HOUR_US),
            Step::Day if names_matter => (Grain::Day, DAY_US),
            Step::Day => (Grain::Curve, DAY_US),
        };
        let (model, group) = match split {
            Split::None => ("''", "1"),
            Split::Model => ("model", "1, 2"),
        };
        // A series by days may begin with hourly buckets, which are added to their day.
        let at = format!("bucket_us - bucket_us % {width}");
        let question = self.ask(&format!("SELECT {at}, {model}, {} FROM (", summed()));
        let question =
            self.over_sums(question, grain, filter).await?.sql(&format!(") s GROUP BY {group} ORDER BY {group}"));
        let mut points = Vec::new();
        for row in self.pool.fetch(question).await? {
            let sums = UsageRow { key: name(&row, 1)?, tenant: filter.tenant.clone(), ..read_sums(&row, 2)? };
            points.push(Point { at: time(&row, 0)?, sums });
        }
        points.retain(|point| is_something(&point.sums));
        Ok(points)
    }

    /// Returns the times to the first byte by user and model, most requests first.
    pub async fn latencies(&self, filter: &Filter, limit: u32) -> Result<Vec<Latency>, LedgerError> {
        let question = self.ask(
            "SELECT tenant, user_id, model, CAST(SUM(first_byte_us) AS BIGINT), CAST(SUM(first_bytes) AS BIGINT) FROM (",
        );
        let question = self.over_sums(question, Grain::Month, filter).await?;
        let question = question
            .sql(") s GROUP BY tenant, user_id, model HAVING SUM(first_bytes) > 0 ORDER BY 5 DESC, 1, 2, 3 LIMIT ")
            .int(i64::from(limit))?;
        let mut latencies = Vec::new();
        for row in self.pool.fetch(question).await? {
            latencies.push(Latency {
                tenant: name(&row, 0)?,
                user: name(&row, 1)?,
                model: name(&row, 2)?,
                first_byte_us: count(&row, 3)?,
                first_bytes: count(&row, 4)?,
            });
        }
        Ok(latencies)
    }

    /// Returns the errors by kind, most frequent first.
    pub async fn errors(&self, filter: &Filter) -> Result<Vec<Errors>, LedgerError> {
        let from = Grain::Hour.bucket(self.start_of(filter).await?);
        let question =
            self.ask("SELECT kind, CAST(SUM(requests) AS BIGINT) FROM errors WHERE bucket_us >= ").int(from)?;
        let question = filtered(question, filter)?.sql(" GROUP BY kind ORDER BY 2 DESC, 1");
        let mut errors = Vec::new();
        for row in self.pool.fetch(question).await? {
            errors.push(Errors { kind: row.text(0)?.unwrap_or_default(), requests: count(&row, 1)? });
        }
        Ok(errors)
    }

    /// Returns the start of the filter's period, but not before the oldest retained sums.
    async fn start_of(&self, filter: &Filter) -> Result<i64, LedgerError> {
        let kept = self.pool.fetch(self.ask("SELECT from_us FROM retained")).await?;
        let kept = kept.first().map_or(Ok(0), |row| row.count(0))?;
        Ok(filter.since.map_or(kept, |since| since.as_microsecond().max(kept)))
    }

    /// Adds the buckets of the filter's period to a query.
    async fn over_sums(&self, question: Question, widest: Grain, filter: &Filter) -> Result<Question, LedgerError> {
        let columns = format!("bucket_us, tenant, key_name, user_id, model, {}, last_us", SUMMED.join(", "));
        let mut question = question;
        for (index, span) in spans(self.start_of(filter).await?, widest).into_iter().enumerate() {
            let Span { grain, from_us, until_us } = span;
            let union = if index > 0 { " UNION ALL " } else { "" };
            question = question
                .sql(&format!("{union}SELECT {columns} FROM sums WHERE grain = "))
                .int(grain.code())?
                .sql(" AND bucket_us >= ")
                .int(from_us)?;
            if let Some(until_us) = until_us {
                question = question.sql(" AND bucket_us < ").int(until_us)?;
            }
            question = filtered(question, filter)?;
        }
        Ok(question)
    }

    /// Adds the latest sent identifier of each user.
    async fn add_sent(&self, usage: &mut [UsageRow], filter: &Filter) -> Result<(), LedgerError> {
        let question = self.ask("SELECT tenant, user_id, sent FROM users WHERE sent IS NOT NULL");
        let question = filtered(question, &Filter { key: None, ..filter.clone() })?;
        let mut sent = std::collections::HashMap::new();
        for row in self.pool.fetch(question).await? {
            sent.insert((name(&row, 0)?, name(&row, 1)?), row.text(2)?);
        }
        for line in usage {
            line.external_user_id = sent.remove(&(line.tenant.clone(), line.key.clone())).flatten();
        }
        Ok(())
    }
}

fn filtered(question: Question, filter: &Filter) -> Result<Question, LedgerError> {
    let wanted = [("tenant", &filter.tenant), ("user_id", &filter.user), ("key_name", &filter.key)];
    let mut question = question;
    for (column, value) in wanted {
        if let Some(value) = value {
            question = question.sql(&format!(" AND {column} = ")).text(value)?;
        }
    }
    Ok(question)
}

/// Formats a date as `2026-11-22`.
fn day(at: jiff::Timestamp) -> String {
    timestamp(at.as_microsecond()).to_zoned(TimeZone::UTC).date().to_string()
}
