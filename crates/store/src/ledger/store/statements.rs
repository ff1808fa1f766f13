//! The insert statements, and the order of columns.

use std::sync::Arc;

use uuid::Uuid;

use crate::ledger::context::Context;
use crate::ledger::engine::{self, Arguments, Engine};
use crate::ledger::insert::Insert;
use crate::ledger::names::{Name, Names};
use crate::ledger::row::{Ended, Ending, Row};
use crate::ledger::sums::{Sums, stored};
use callsign_core::usage::Usage;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;

/// The columns of `requests`, in the order of [`bind_row`].
const ROW_COLUMNS: &str = "id, began_us, node, context, message, sent_message, generation, ending, status, error, model, \
     provider, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, request_bytes, response_bytes, \
     first_byte_us, duration_us";

/// The columns that may change when a row is written again.
const CHANGING: &str = "node, generation, ending, status, error, model, provider, prompt_tokens, completion_tokens, \
     cached_tokens, reasoning_tokens, cost, request_bytes, response_bytes, first_byte_us, duration_us";

/// The columns of `contexts`, in the order of [`bind_context`].
const CONTEXT_COLUMNS: &str = "id, until_us, tenant, key_name, user_id, session, chat, sent_user, sent_session, \
     sent_metadata_session, sent_chat, endpoint, markup";

/// A query for rows, without its condition. [`read_row`] reads its result.
pub(super) const SELECT_ROWS: &str = "SELECT r.id, r.began_us, r.node, r.message, r.sent_message, r.generation, r.ending, \
     r.status, r.error, r.model, r.provider, r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.reasoning_tokens, \
     r.cost, r.request_bytes, r.response_bytes, r.first_byte_us, r.duration_us, c.until_us, c.tenant, c.key_name, \
     c.user_id, c.session, c.chat, c.sent_user, c.sent_session, c.sent_metadata_session, c.sent_chat, c.endpoint, \
     c.markup FROM requests r LEFT JOIN contexts c ON c.id = r.context WHERE ";

/// The insert statements of one engine.
#[derive(Debug)]
pub(super) struct Statements {
    /// Rows that were not written before.
    pub(super) fresh_rows: Insert,
    /// Rows that may exist as begun. A finished row does not change.
    pub(super) rows: Insert,
    pub(super) contexts: Insert,
    pub(super) sums: Insert,
    pub(super) errors: Insert,
    pub(super) identifiers: Insert,
    pub(super) users: Insert,
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Returns `a = excluded.a` for each column.
fn replaced(list: &str) -> String {
    names(list).map(|name| format!("{name} = excluded.{name}")).collect::<Vec<_>>().join(", ")
}

/// Returns `a = t.a + excluded.a` for each column.
pub(super) fn raised<'n>(table: &str, names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("{name} = {table}.{name} + excluded.{name}")).collect::<Vec<_>>().join(", ")
}

/// Returns an expression for the greater of the old and the new value. SQLite and PostgreSQL name this function
/// differently.
pub(super) fn later(table: &str, name: &str) -> String {
    format!("{name} = CASE WHEN excluded.{name} > {table}.{name} THEN excluded.{name} ELSE {table}.{name} END")
}

/// Returns the conflict clause of sums.
pub(super) fn on_sums_conflict() -> String {
    let counts = Sums::COLUMNS.into_iter().filter(|name| *name != "last_us");
    format!(
        "ON CONFLICT (grain, bucket_us, tenant, key_name, user_id, model, endpoint) DO UPDATE SET {}, {}",
        raised("sums", counts),
        later("sums", "last_us")
    )
}

/// The conflict clause of errors.
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
        // A row is written again when it was answered or has ended. The data of its beginning does not change.
        let on_rows = format!("ON CONFLICT (id) DO UPDATE SET {} WHERE requests.ending IS NULL", replaced(CHANGING));
        let rows = format!("requests ({ROW_COLUMNS})");
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
            fresh_rows: Insert::new(engine, &rows, names(ROW_COLUMNS).count(), ""),
            rows: Insert::new(engine, &rows, names(ROW_COLUMNS).count(), &on_rows),
            contexts: Insert::new(
                engine,
                &format!("contexts ({CONTEXT_COLUMNS})"),
                names(CONTEXT_COLUMNS).count(),
                "ON CONFLICT (id) DO NOTHING",
            ),
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

/// Adds the arguments of a row, in the order of [`ROW_COLUMNS`].
pub(super) fn bind_row(row: &Row, to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.bytes(row.id.as_bytes())?;
    to.int(Some(row.began_us))?;
    // The process is stored only while the request is in flight.
    to.shared(Some(&row.node).filter(|_| row.ended.is_none()))?;
    to.int(Some(row.context.id))?;
    to.shared(row.message.as_ref())?;
    to.shared(row.sent_message.as_ref())?;
    to.shared(row.generation.as_ref())?;
    bind_end(row.ended.as_ref(), to)
}

/// Adds the arguments of a context, in the order of [`CONTEXT_COLUMNS`].
pub(super) fn bind_context(context: &Context, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let names = &context.names;
    to.int(Some(context.id))?;
    to.int(Some(context.until_us))?;
    let [tenant, rest @ ..] = names.optional();
    to.shared(tenant)?;
    to.shared(Some(&names.key))?;
    rest.into_iter().try_for_each(|name| to.shared(name))?;
    to.shared(Some(&names.endpoint))?;
    to.int(Some(names.markup.millionths()).filter(|_| names.markup != Markup::ONE))
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

/// Reads a row of [`SELECT_ROWS`].
pub(super) fn read_row(from: &engine::Row) -> Result<Row, sqlx::Error> {
    let text = |column| from.text(column).map(|text| text.map(Name::from));
    let count = |column| from.int(column).map(|count| count.and_then(|count| u64::try_from(count).ok()));
    let ended = match from.int(6)? {
        None => None,
        Some(ending) => Some(Ended {
            ending: Ending::from_code(ending),
            status: u16::try_from(from.count(7)?).unwrap_or_default(),
            error: text(8)?,
            model: text(9)?,
            provider: text(10)?,
            usage: Usage {
                prompt_tokens: count(11)?,
                completion_tokens: count(12)?,
                cached_tokens: count(13)?,
                reasoning_tokens: count(14)?,
                cost: from.int(15)?.map(NanoUsd),
                ..Usage::default()
            },
            request_bytes: count(16)?.unwrap_or_default(),
            response_bytes: count(17)?.unwrap_or_default(),
            first_byte_us: count(18)?,
            duration_us: count(19)?.unwrap_or_default(),
        }),
    };
    let names = Names {
        tenant: text(21)?,
        key: text(22)?.unwrap_or_default(),
        user: text(23)?,
        session: text(24)?,
        chat: text(25)?,
        sent_user: text(26)?,
        sent_session: text(27)?,
        sent_metadata_session: text(28)?,
        sent_chat: text(29)?,
        endpoint: text(30)?.unwrap_or_default(),
        markup: from.int(31)?.map_or(Markup::ONE, Markup::from_millionths),
    };
    Ok(Row {
        id: Uuid::from_slice(&from.bytes(0)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
        began_us: from.count(1)?,
        node: text(2)?.unwrap_or_default(),
        context: Arc::new(Context::new(names, from.count(20)?)),
        message: text(3)?,
        sent_message: text(4)?,
        generation: text(5)?,
        ended,
    })
}
