//! Queries of sums: usage by name and time, errors, and speed.

use std::collections::BTreeMap;

use super::spans::{Span, spans};
use super::{Reader, count, name, time};
use crate::ledger::digest;
use crate::ledger::engine::Row;
use crate::ledger::error::LedgerError;
use crate::ledger::grain::{Grain, now_us, timestamp};
use crate::ledger::pool::Question;
use crate::ledger::query::{By, Errors, Filter, Grouping, Point, Speed, Split, Step, UsageRow};
use crate::ledger::speed::{BINS, quantile};
use crate::ledger::sums::{AMOUNTS, COUNTS};
use crate::ledger::user_index::of_user;
use callsign_core::usage::money::NanoUsd;

/// The answers of each class of times, and the sums of head times, output tokens and output times.
type Classes = ([u64; BINS], [u64; 3]);
/// Nano-dollars of a dollar.
const DOLLAR: i64 = 1_000_000_000;

/// Returns the summed columns as SQL: names, and terms over the table `sums`. Dollars and nano-dollars of an amount are
/// summed apart, because `SUM` would fail on an overflow.
fn terms() -> impl Iterator<Item = (String, String)> {
    let counts = COUNTS.iter().map(|name| ((*name).to_owned(), (*name).to_owned()));
    let parts = |name: &&str| {
        [(format!("{name}_usd"), format!("{name} / {DOLLAR}")), (format!("{name}_nano"), format!("{name} % {DOLLAR}"))]
    };
    counts.chain(AMOUNTS.iter().flat_map(parts))
}

/// Returns the sums of the columns of the table `s` as SQL, in the order of [`read_sums`]. They are cast to 64 bits,
/// because PostgreSQL's `SUM` returns a wider type. What `detail` leaves out is 0.
fn summed(detail: Detail) -> String {
    let sum = |name: String| {
        if detail.has(&name) { format!("CAST(SUM(s.{name}) AS BIGINT)") } else { "CAST(0 AS BIGINT)".to_owned() }
    };
    let sums = terms().map(|(name, _)| sum(name));
    sums.chain(["MAX(s.last_us)".to_owned()]).collect::<Vec<_>>().join(", ")
}

/// The sums of [`Detail::Spend`]. Each further one takes a twentieth of the time of a query.
const SPENT: [&str; 6] = ["requests", "refused", "cost_usd", "cost_nano", "provider_cost_usd", "provider_cost_nano"];

/// The columns that a query over sums needs besides time and person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// None. The sums of a person are added up while they are read, since they follow one another in the table. That
    /// leaves far fewer rows to sort.
    People,
    /// The same, with [`SPENT`] only.
    Spend,
    /// The same, with the number of requests only.
    Requests,
    /// Model, provider and error.
    All,
}

impl Detail {
    /// Returns the columns as SQL.
    fn columns(self) -> String {
        let (names, last_us): (_, _) = match self {
            Self::Requests => return "bucket_us, person, CAST(SUM(requests) AS BIGINT) AS requests".to_owned(),
            Self::People | Self::Spend => ("bucket_us, person", "MAX(last_us) AS last_us"),
            Self::All => ("bucket_us, person, model, provider, error", "last_us"),
        };
        let columns = terms().filter(|(name, _)| self.has(name)).map(|(name, term)| match self {
            Self::All => format!("{term} AS {name}"),
            _ => format!("CAST(SUM({term}) AS BIGINT) AS {name}"),
        });
        let columns = std::iter::once(names.to_owned()).chain(columns).chain([last_us.to_owned()]);
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Returns true if the query has this sum.
    fn has(self, name: &str) -> bool {
        match self {
            Self::People | Self::All => true,
            Self::Spend => SPENT.contains(&name),
            Self::Requests => name == "requests",
        }
    }

    /// Returns the end of the query as SQL.
    fn group(self) -> &'static str {
        match self {
            Self::People | Self::Spend | Self::Requests => " GROUP BY bucket_us, person",
            Self::All => "",
        }
    }
}

/// Reads the sums of a row, starting at this column.
fn read_sums(row: &Row, first: usize) -> Result<UsageRow, LedgerError> {
    let amount = |number: usize| -> Result<NanoUsd, LedgerError> {
        let at = first + COUNTS.len() + 2 * number;
        Ok(NanoUsd(row.count(at)?.saturating_mul(DOLLAR).saturating_add(row.count(at + 1)?)))
    };
    Ok(UsageRow {
        requests: count(row, first)?,
        errors: count(row, first + 1)?,
        refused: count(row, first + 2)?,
        pending: count(row, first + 3)?,
        never: count(row, first + 4)?,
        prompt_tokens: count(row, first + 5)?,
        completion_tokens: count(row, first + 6)?,
        cached_tokens: count(row, first + 7)?,
        cache_write_tokens: count(row, first + 8)?,
        reasoning_tokens: count(row, first + 9)?,
        cost: amount(0)?,
        provider_cost: amount(1)?,
        charged: amount(2)?,
        last_seen: Some(time(row, first + COUNTS.len() + 2 * AMOUNTS.len())?),
        ..UsageRow::default()
    })
}

/// Returns true if a sum is not zero. Sums of the unknown model become zero when the model becomes known.
fn is_something(sums: &UsageRow) -> bool {
    sums.requests > 0 || sums.refused > 0 || sums.total_cost() != NanoUsd::ZERO || sums.prompt_tokens > 0
}

impl By {
    /// Returns the column that is grouped by.
    fn column(self) -> &'static str {
        match self {
            Self::User => "p.user_id",
            Self::Key => "p.key_name",
            Self::Tenant => "p.tenant",
            Self::Model => "s.model",
            Self::Provider => "s.provider",
            Self::Hour | Self::Day | Self::Month => "s.bucket_us",
        }
    }

    /// Returns the coarsest sums that tell this.
    fn widest(self) -> Grain {
        match self {
            Self::Hour => Grain::Hour,
            Self::Day => Grain::Day,
            Self::Month => Grain::Month,
            _ => Grain::Year,
        }
    }

    /// Returns the name of the period that contains this time.
    fn period(self, us: i64) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%dT%H:00Z",
            Self::Month => "%Y-%m",
            _ => "%Y-%m-%d",
        };
        timestamp(us).strftime(format).to_string()
    }
}

/// Names of a list, and a step.
pub(super) struct In<'a> {
    pub(super) by: By,
    pub(super) step: Step,
    pub(super) names: &'a [Option<String>],
}

impl Reader {
    /// Returns the query of name, tenant, time and requests of the names of a list.
    pub(super) async fn sums_of(&self, of: In<'_>, filter: &Filter) -> Result<Question, LedgerError> {
        let In { by, step, names } = of;
        let is_of_people = matches!(by, By::User | By::Key | By::Tenant);
        let widest = match step {
            Step::Hour => Grain::Hour,
            Step::Day if is_of_people || filter.names_people() => Grain::Day,
            Step::Day => Grain::Curve,
        };
        let (tenant, join, detail) = if is_of_people {
            ("p.tenant", "LEFT JOIN people p ON p.person = s.person", Detail::Requests)
        } else {
            ("''", "", Detail::All)
        };
        let first = by.column();
        let question =
            self.ask(&format!("SELECT {first}, {tenant}, bucket_us, CAST(SUM(s.requests) AS BIGINT) FROM ("));
        let mut question = self.over_sums(question, widest, detail, filter).await?;
        question = question.sql(&format!(") s {join} WHERE {first} IN ("));
        for (index, name) in names.iter().enumerate() {
            question = question.sql(if index > 0 { ", " } else { "" }).text(name.as_deref().unwrap_or_default())?;
        }
        let group = if is_of_people { ", p.tenant" } else { "" };
        Ok(question.sql(&format!(") GROUP BY {first}, bucket_us{group}")))
    }

    /// Returns usage by group, largest cost first; if the first grouping is a period of time, in order of time.
    pub async fn usage(&self, by: impl Into<Grouping>, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
        self.sums_by(by.into(), Detail::People, filter).await
    }

    /// Does the same with requests, refusals and costs only, which takes half of the time.
    pub async fn spend(&self, by: impl Into<Grouping>, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
        self.sums_by(by.into(), Detail::Spend, filter).await
    }

    /// Reads the sums of `of_people`, or all of them if models or providers are named.
    async fn sums_by(&self, by: Grouping, of_people: Detail, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
        let detail = if by.has(By::Model) || by.has(By::Provider) { Detail::All } else { of_people };
        let names_people = by.has(By::User) || by.has(By::Key) || by.has(By::Tenant) || filter.names_people();
        let widest = match by.iter().map(By::widest).min().unwrap_or(Grain::Year) {
            Grain::Hour => Grain::Hour,
            _ if !names_people => Grain::Curve,
            widest => widest,
        };
        let with_tenant = by.has(By::User) || by.has(By::Key) || by.has(By::Tenant);
        let tenant = if with_tenant { "p.tenant" } else { "''" };
        let first = by.first.column();
        let second = by.second.map_or("''", By::column);
        let (group, join) = (
            [Some(first), by.second.map(By::column), with_tenant.then_some("p.tenant")],
            if with_tenant { "LEFT JOIN people p ON p.person = s.person" } else { "" },
        );
        let group = group.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let question = self.ask(&format!("SELECT {first}, {second}, {tenant}, {} FROM (", summed(detail)));
        let question = self.over_sums(question, widest, detail, filter).await?;
        let question = question.sql(&format!(") s {join} GROUP BY {group}"));
        let mut usage: BTreeMap<_, UsageRow> = BTreeMap::new();
        for row in self.pool.fetch(question).await? {
            let value = |by: Option<By>, column| match by {
                Some(by) if by.is_time() => Ok(Some(by.period(row.count(column)?))),
                Some(_) => name(&row, column),
                None => Ok(None),
            };
            let (key, second) = (value(Some(by.first), 0)?, value(by.second, 1)?);
            let tenant = name(&row, 2)?;
            let entry = usage.entry((key.clone(), second.clone(), tenant.clone()));
            let sum = entry.or_insert_with(|| UsageRow { key, second, tenant, ..UsageRow::default() });
            sum.add(&read_sums(&row, 3)?);
        }
        let mut usage: Vec<_> = usage.into_values().filter(is_something).collect();
        if !by.first.is_time() {
            let rank = |row: &UsageRow| std::cmp::Reverse((row.total_cost(), row.requests));
            usage.sort_by_key(rank);
        }
        if by.first == By::User {
            self.add_sent(&mut usage, filter).await?;
        }
        Ok(usage)
    }

    /// Returns usage over time, oldest first. Steps without requests are absent.
    pub async fn series(&self, step: Step, split: Split, filter: &Filter) -> Result<Vec<Point>, LedgerError> {
        let (grain, wide) = match step {
            Step::Hour => (Grain::Hour, Grain::Hour),
            Step::Day if filter.names_people() => (Grain::Day, Grain::Day),
            Step::Day => (Grain::Curve, Grain::Day),
        };
        let model = if split == Split::Model { "model" } else { "''" };
        let group = if split == Split::Model { "bucket_us, model" } else { "bucket_us" };
        let detail = if split == Split::Model { Detail::All } else { Detail::People };
        let question = self.ask(&format!("SELECT bucket_us, {model}, {} FROM (", summed(detail)));
        let question = self.over_sums(question, grain, detail, filter).await?.sql(&format!(") s GROUP BY {group}"));
        let mut points: BTreeMap<_, UsageRow> = BTreeMap::new();
        for row in self.pool.fetch(question).await? {
            // A series by days may begin with hourly sums, which are added to their day.
            let key = (wide.bucket(row.count(0)?), name(&row, 1)?);
            let none = UsageRow { key: key.1.clone(), tenant: filter.tenant.clone(), ..UsageRow::default() };
            points.entry(key).or_insert(none).add(&read_sums(&row, 2)?);
        }
        let points = points.into_iter().map(|((at, _), sums)| Point { at: timestamp(at), sums });
        Ok(points.filter(|point| is_something(&point.sums)).collect())
    }

    /// Returns the speed by model and provider, most answers first. Only the filter's times, model and provider count.
    pub async fn speed(&self, filter: &Filter) -> Result<Vec<Speed>, LedgerError> {
        let speed = |((model, provider), (bins, [head_us, tokens, output_us])): (_, Classes)| {
            let answers: u64 = bins.iter().sum();
            Speed {
                model,
                provider,
                answers,
                head_us: u64::checked_div(head_us, answers).unwrap_or_default(),
                p50_us: quantile(&bins, 0.5),
                p95_us: quantile(&bins, 0.95),
                #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
                tokens_per_second: (output_us > 0).then(|| tokens as f64 * 1e6 / output_us as f64),
            }
        };
        let mut speeds: Vec<_> = self.classes(filter).await?.into_iter().map(speed).collect();
        speeds.sort_by_key(|speed| std::cmp::Reverse(speed.answers));
        Ok(speeds)
    }

    /// Returns the median and the 95th percentile of the time to the first output, in microseconds, over all models and
    /// providers; `None` without answers. Only the filter's times, model and provider count.
    pub async fn first_output(&self, filter: &Filter) -> Result<Option<(u64, u64)>, LedgerError> {
        let mut all = [0_u64; BINS];
        for (bins, _) in self.classes(filter).await?.into_values() {
            all.iter_mut().zip(bins).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        }
        let has_answers = all.iter().any(|answers| *answers > 0);
        Ok(has_answers.then(|| (quantile(&all, 0.5), quantile(&all, 0.95))))
    }

    /// Returns the classes of the time to the first output, and further sums, by model and provider.
    async fn classes(
        &self,
        filter: &Filter,
    ) -> Result<BTreeMap<(Option<String>, Option<String>), Classes>, LedgerError> {
        let mut question = self.ask(
            "SELECT model, provider, bin, CAST(SUM(answers) AS BIGINT), CAST(SUM(head_us) AS BIGINT), \
             CAST(SUM(output_tokens) AS BIGINT), CAST(SUM(output_us) AS BIGINT) FROM (",
        );
        for (index, span) in self.spans(Grain::Day, filter).await?.into_iter().enumerate() {
            question =
                in_span(question.sql(if index > 0 { " UNION ALL " } else { "" }).sql("SELECT * FROM speed"), span)?;
            question = equal(question, "model", filter.model.as_deref())?;
            question = equal(question, "provider", filter.provider.as_deref())?;
        }
        let question = question.sql(") s GROUP BY model, provider, bin");
        let mut found = BTreeMap::new();
        for row in self.pool.fetch(question).await? {
            let (bins, sums) = found.entry((name(&row, 0)?, name(&row, 1)?)).or_insert(([0; BINS], [0; 3]));
            if let Some(bin) = usize::try_from(row.count(2)?).ok().and_then(|bin| bins.get_mut(bin)) {
                *bin += count(&row, 3)?;
            }
            for (sum, column) in sums.iter_mut().zip(4..) {
                *sum += count(&row, column)?;
            }
        }
        Ok(found)
    }

    /// Returns the errors by kind, most frequent first. Refusals by callsign are among them.
    pub async fn errors(&self, filter: &Filter) -> Result<Vec<Errors>, LedgerError> {
        let question = self.ask("SELECT error, CAST(SUM(requests + refused) AS BIGINT) FROM (");
        let widest = if filter.names_people() { Grain::Year } else { Grain::Curve };
        let question = self.over_sums(question, widest, Detail::All, filter).await?;
        let question = question.sql(") s WHERE error <> '' GROUP BY error ORDER BY 2 DESC, 1");
        let mut errors = Vec::new();
        for row in self.pool.fetch(question).await? {
            errors.push(Errors { kind: row.text(0)?.unwrap_or_default(), requests: count(&row, 1)? });
        }
        Ok(errors)
    }

    /// Returns the spans of the filter's period; an empty one if it contains no time. It does not begin before the
    /// oldest retained sums.
    async fn spans(&self, widest: Grain, filter: &Filter) -> Result<Vec<Span>, LedgerError> {
        let kept = self.pool.fetch(self.ask("SELECT from_us FROM state")).await?;
        let kept = kept.first().map_or(Ok(0), |row| row.count(0))?;
        let from = filter.since.map_or(kept, |since| since.as_microsecond().max(kept));
        // Requests of a node whose clock is ahead count as well.
        let end = Grain::Month.next(Grain::Month.bucket(now_us() + 366 * crate::ledger::grain::DAY_US));
        let until = filter.until.map_or(end, |until| until.as_microsecond().min(end));
        let mut spans = spans(from, until, widest);
        if spans.is_empty() {
            spans.push(Span { grain: widest, from_us: 0, until_us: 0 });
        }
        Ok(spans)
    }

    /// Adds the sums of the filter's period to a query, as a table without name. It may be empty.
    async fn over_sums(
        &self,
        mut question: Question,
        widest: Grain,
        detail: Detail,
        filter: &Filter,
    ) -> Result<Question, LedgerError> {
        let columns = detail.columns();
        let spans = self.spans(widest, filter).await?;
        // The latest hours are not in the coarser sums yet.
        let coarse = spans.iter().filter(|span| span.grain != Grain::Hour);
        let unfolded: Vec<_> = coarse.map(|span| (Span { grain: Grain::Hour, ..*span }, true)).collect();
        let spans = spans.into_iter().map(|span| (span, false)).chain(unfolded);
        for (index, (span, is_unfolded)) in spans.enumerate() {
            let union = if index > 0 { " UNION ALL " } else { "" };
            question = question.sql(&format!("{union}SELECT {columns} FROM sums"));
            question = if is_unfolded { in_unfolded(question, span)? } else { in_span(question, span)? };
            question = if span.grain == Grain::Curve {
                let person = filter.tenant.as_deref().map(|tenant| digest::person(tenant, "", ""));
                match person {
                    Some(person) => question.sql(" AND person = ").int(person)?,
                    None => question,
                }
            } else {
                of_people(question, filter)?
            };
            question = equal(question, "model", filter.model.as_deref())?;
            question = equal(question, "provider", filter.provider.as_deref())?;
            if let Some(status) = filter.status {
                question = question.sql(" AND status = ").int(i64::from(status))?;
            }
            question = question.sql(detail.group());
        }
        Ok(question)
    }

    /// Adds the latest sent identifier of each user.
    async fn add_sent(&self, usage: &mut [UsageRow], filter: &Filter) -> Result<(), LedgerError> {
        let mut question =
            self.ask("SELECT tenant, user_id, sent FROM people WHERE sent IS NOT NULL AND user_id <> ''");
        question = equal(question, "tenant", filter.tenant.as_deref())?;
        question = of_user(question, filter.user.as_deref())?;
        let mut sent = std::collections::HashMap::new();
        // Of several keys the latest one counts.
        for row in self.pool.fetch(question.sql(" ORDER BY last_us")).await? {
            sent.insert((name(&row, 0)?, name(&row, 1)?), row.text(2)?);
        }
        for line in usage {
            line.external_user_id = sent.get(&(line.tenant.clone(), line.key.clone())).cloned().flatten();
        }
        Ok(())
    }
}

/// Adds the condition of a span.
fn in_span(question: Question, span: Span) -> Result<Question, LedgerError> {
    let question = question.sql(" WHERE grain = ").int(span.grain.code())?;
    question.sql(" AND bucket_us >= ").int(span.from_us)?.sql(" AND bucket_us < ").int(span.until_us)
}

/// Adds the condition of the hours of a span that are not in the coarser sums yet. It is one lower limit, because
/// SQLite searches the table by one only.
fn in_unfolded(question: Question, span: Span) -> Result<Question, LedgerError> {
    let later = format!("CASE WHEN folded_us > {0} THEN folded_us ELSE {0} END", span.from_us);
    let question = question.sql(" WHERE grain = ").int(span.grain.code())?;
    question.sql(&format!(" AND bucket_us >= (SELECT {later} FROM state) AND bucket_us < ")).int(span.until_us)
}

/// Adds a condition if there is a value.
pub(super) fn equal(question: Question, column: &str, value: Option<&str>) -> Result<Question, LedgerError> {
    match value {
        Some(value) => question.sql(&format!(" AND {column} = ")).text(value),
        None => Ok(question),
    }
}

/// Adds the condition of the filter's user, key and tenant on the column `person`.
pub(super) fn of_people(question: Question, filter: &Filter) -> Result<Question, LedgerError> {
    if !filter.names_people() && filter.tenant.is_none() {
        return Ok(question);
    }
    let question = question.sql(" AND person IN (SELECT person FROM people WHERE 1 = 1");
    let question = of_user(question, filter.user.as_deref())?;
    let question = equal(question, "key_name", filter.key.as_deref())?;
    Ok(equal(question, "tenant", filter.tenant.as_deref())?.sql(")"))
}
