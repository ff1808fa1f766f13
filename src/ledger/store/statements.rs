//! The inserts, written out once, and the order of the columns of a row.

use std::sync::Arc;

use uuid::Uuid;

use crate::ledger::engine::{self, Arguments, Engine};
use crate::ledger::insert::Insert;
use crate::ledger::markup::Markup;
use crate::ledger::money::NanoUsd;
use crate::ledger::record::Usage;
use crate::ledger::row::{Ended, Ending, Row, Sent};
use crate::ledger::sums::{Sums, stored};

/// The columns of `requests`, in the order of [`bind_row`] and [`read_row`].
pub(in crate::ledger) const ROW_COLUMNS: &str = "id, began_us, node, tenant, key_name, user_id, session, chat, message, \
     sent_user, sent_session, sent_metadata_session, sent_chat, sent_message, endpoint, generation, markup, \
     ending, status, error, model, provider, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, \
     request_bytes, response_bytes, first_byte_us, duration_us";

/// The first of them that may change when a row is written again, and how many there are.
const FIRST_CHANGING: &str = "node, generation, ending, status, error, model, provider, prompt_tokens, \
     completion_tokens, cached_tokens, reasoning_tokens, cost, request_bytes, response_bytes, first_byte_us, duration_us";

/// See the functions that run them.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) rows: Insert,
    pub(super) sums: Insert,
    pub(super) errors: Insert,
    pub(super) identifiers: Insert,
    pub(super) users: Insert,
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// `a = excluded.a`, for those that are replaced.
fn replaced(list: &str) -> String {
    names(list).map(|name| format!("{name} = excluded.{name}")).collect::<Vec<_>>().join(", ")
}

/// `a = t.a + excluded.a`.
pub(super) fn raised<'n>(table: &str, names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("{name} = {table}.{name} + excluded.{name}")).collect::<Vec<_>>().join(", ")
}

/// The greater one of what is there and what comes. SQLite's and PostgreSQL's functions for that have different names.
pub(super) fn later(table: &str, name: &str) -> String {
    format!("{name} = CASE WHEN excluded.{name} > {table}.{name} THEN excluded.{name} ELSE {table}.{name} END")
}

/// What happens to sums that are there already.
pub(super) fn on_sums_conflict() -> String {
    let counts = Sums::COLUMNS.into_iter().filter(|name| *name != "last_us");
    format!(
        "ON CONFLICT (grain, bucket_us, tenant, key_name, user_id, model, endpoint) DO UPDATE SET {}, {}",
        raised("sums", counts),
        later("sums", "last_us")
    )
}

/// What happens to errors that are there already.
pub(super) const ON_ERRORS_CONFLICT: &str = "ON CONFLICT (bucket_us, tenant, key_name, user_id, kind) \
     DO UPDATE SET requests = errors.requests + excluded.requests";

impl Statements {
    pub(super) fn new(engine: Engine) -> Self {
        let earlier = |table: &str| {
            format!(
                "first_us = CASE WHEN excluded.first_us < {table}.first_us THEN excluded.first_us \
                 ELSE {table}.first_us END"
            )
        };
        let seen = |table: &str| {
            format!("{}, {}, requests = {table}.requests + excluded.requests", earlier(table), later(table, "last_us"))
        };
        // A row that comes again is one that ended, or that was answered: what was known of its beginning stays.
        let on_rows =
            format!("ON CONFLICT (id) DO UPDATE SET {} WHERE requests.ending IS NULL", replaced(FIRST_CHANGING));
        let sums = format!(
            "sums (grain, bucket_us, tenant, key_name, user_id, model, endpoint, {})",
            Sums::COLUMNS.join(", ")
        );
        let on_identifiers = format!(
            "ON CONFLICT (kind, identifier, tenant, user_id, key_name) DO UPDATE SET \
             way = identifiers.way | excluded.way, {}",
            seen("identifiers")
        );
        let on_users = format!(
            "ON CONFLICT (tenant, user_id) DO UPDATE SET \
             sent = CASE WHEN excluded.last_us >= users.last_us THEN excluded.sent ELSE users.sent END, {}",
            seen("users")
        );
        let identifiers = "identifiers (kind, identifier, tenant, user_id, key_name, way, first_us, last_us, requests)";
        Self {
            rows: Insert::new(engine, &format!("requests ({ROW_COLUMNS})"), names(ROW_COLUMNS).count(), &on_rows),
            sums: Insert::new(engine, &sums, 7 + Sums::COLUMNS.len(), &on_sums_conflict()),
            errors: Insert::new(
                engine,
                "errors (bucket_us, tenant, key_name, user_id, kind, requests)",
                6,
                ON_ERRORS_CONFLICT,
            ),
            identifiers: Insert::new(engine, identifiers, 9, &on_identifiers),
            users: Insert::new(engine, "users (tenant, user_id, sent, first_us, last_us, requests)", 6, &on_users),
        }
    }
}

/// The arguments of a row, in the order of [`ROW_COLUMNS`].
pub(super) fn bind_row(row: &Row, to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.bytes(row.id.as_bytes())?;
    to.int(Some(row.began_us))?;
    // Only what is in flight is in flight somewhere.
    to.shared(Some(&row.node).filter(|_| row.ended.is_none()))?;
    to.shared(row.tenant.as_ref())?;
    to.shared(Some(&row.key))?;
    let sent = &row.sent;
    let names = [&row.user, &row.session, &row.chat, &row.message];
    let sent = [&sent.user, &sent.session, &sent.metadata_session, &sent.chat, &sent.message];
    for name in names.into_iter().chain(sent) {
        to.shared(name.as_ref())?;
    }
    to.shared(Some(&row.endpoint))?;
    to.shared(row.generation.as_ref())?;
    to.int(Some(row.markup.millionths()).filter(|_| row.markup != Markup::ONE))?;
    bind_end(row.ended.as_ref(), to)
}

fn bind_end(ended: Option<&Ended>, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let Some(ended) = ended else {
        let ints = |to: &mut Arguments, count| (0..count).try_for_each(|_| to.int(None));
        ints(to, 2)?;
        (0..3).try_for_each(|_| to.shared(None))?;
        return ints(to, 9);
    };
    to.int(Some(ended.ending.code()))?;
    to.int(Some(i64::from(ended.status)))?;
    for text in [&ended.error, &ended.model, &ended.provider] {
        to.shared(text.as_ref())?;
    }
    let usage = &ended.usage;
    for tokens in [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens] {
        to.int(tokens.map(stored))?;
    }
    to.int(usage.cost.map(|cost| cost.0))?;
    to.int(Some(stored(ended.request_bytes)))?;
    to.int(Some(stored(ended.response_bytes)))?;
    to.int(ended.first_byte_us.map(stored))?;
    to.int(Some(stored(ended.duration_us)))
}

/// The row in an answer to `SELECT` [`ROW_COLUMNS`].
pub(in crate::ledger) fn read_row(from: &engine::Row) -> Result<Row, sqlx::Error> {
    let text = |column| from.text(column).map(|text| text.map(Arc::<str>::from));
    let count = |column| from.int(column).map(|count| count.and_then(|count| u64::try_from(count).ok()));
    let ended = match from.int(17)? {
        None => None,
        Some(ending) => Some(Ended {
            ending: Ending::from_code(ending),
            status: u16::try_from(from.count(18)?).unwrap_or_default(),
            error: text(19)?,
            model: text(20)?,
            provider: text(21)?,
            usage: Usage {
                prompt_tokens: count(22)?,
                completion_tokens: count(23)?,
                cached_tokens: count(24)?,
                reasoning_tokens: count(25)?,
                cost: from.int(26)?.map(NanoUsd),
            },
            request_bytes: count(27)?.unwrap_or_default(),
            response_bytes: count(28)?.unwrap_or_default(),
            first_byte_us: count(29)?,
            duration_us: count(30)?.unwrap_or_default(),
        }),
    };
    Ok(Row {
        id: Uuid::from_slice(&from.bytes(0)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
        began_us: from.count(1)?,
        node: text(2)?.unwrap_or_else(|| "".into()),
        tenant: text(3)?,
        key: text(4)?.unwrap_or_else(|| "".into()),
        user: text(5)?,
        session: text(6)?,
        chat: text(7)?,
        message: text(8)?,
        sent: Sent {
            user: text(9)?,
            session: text(10)?,
            metadata_session: text(11)?,
            chat: text(12)?,
            message: text(13)?,
        },
        endpoint: text(14)?.unwrap_or_else(|| "".into()),
        generation: text(15)?,
        markup: from.int(16)?.map_or(Markup::ONE, Markup::from_millionths),
        ended,
    })
}
