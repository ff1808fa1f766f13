//! The columns of `requests`, in one list: the insert statement, the query and their order follow it.

use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;

use crate::ledger::engine::{self, Arguments};
use crate::ledger::record::{Begun, Finished, Name, RequestLabels, SentIds};
use crate::ledger::row::{Row, bill, bill_code, ending_code, outcome};
use crate::ledger::sums::stored;

/// The columns that are known at the beginning of a request and do not change, in the order of [`bind_row`].
pub(super) const FIXED: [&str; 17] = [
    "id",
    "began_us",
    "person",
    "tenant",
    "key_name",
    "user_id",
    "session",
    "chat",
    "message",
    "sent_user",
    "sent_session",
    "sent_metadata_session",
    "sent_chat",
    "sent_message",
    "endpoint",
    "account",
    "markup",
];

/// The columns that may change when a row is written again, in the order of [`bind_row`].
pub(super) const CHANGING: [&str; 24] = [
    "node",
    "generation",
    "count",
    "ending",
    "status",
    "error",
    "refusing_limit",
    "bill",
    "requested_model",
    "model",
    "provider",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
    "provider_cost",
    "server_tool_cost",
    "request_bytes",
    "response_bytes",
    "head_us",
    "first_output_us",
    "duration_us",
];

/// Returns all columns, separated by commas.
pub(in crate::ledger) fn all() -> String {
    FIXED.into_iter().chain(CHANGING).collect::<Vec<_>>().join(", ")
}

/// Adds the arguments of a row, in the order of [`FIXED`] and [`CHANGING`].
pub(super) fn bind_row(row: &Row, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let Begun { id, began_us, labels, sent, endpoint, account, markup } = &row.begun;
    to.bytes(id.as_bytes())?;
    to.int(Some(*began_us))?;
    to.int(Some(labels.person_number()))?;
    let RequestLabels { tenant, key, user, session, chat, message } = labels;
    to.shared(tenant.as_ref())?;
    to.shared(Some(key))?;
    for name in [user, session, chat, message] {
        to.shared(name.as_ref())?;
    }
    let SentIds { user, session, metadata_session, chat, message } = sent;
    for name in [user, session, metadata_session, chat, message] {
        to.shared(name.as_ref())?;
    }
    to.shared(Some(endpoint))?;
    to.shared(account.as_ref())?;
    to.int(Some(markup.millionths()).filter(|_| *markup != Markup::ONE))?;
    bind_changing(row, to)
}

/// Adds the arguments of [`CHANGING`].
pub(super) fn bind_changing(row: &Row, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let ended = row.ended.as_ref();
    // The process is stored only while the request is in flight.
    to.shared(Some(&row.node).filter(|_| ended.is_none()))?;
    to.shared(row.generation.as_ref())?;
    to.int(Some(row.count))?;
    to.int(ended.map(|ended| ending_code(ended.outcome)))?;
    to.int(ended.map(|ended| i64::from(ended.status)))?;
    to.shared(ended.and_then(|ended| ended.error.as_ref()))?;
    to.shared(ended.and_then(|ended| ended.limit.as_ref()))?;
    to.int(ended.map(|ended| bill_code(ended.bill)))?;
    to.shared(ended.and_then(|ended| ended.requested_model.as_ref()))?;
    to.shared(ended.and_then(|ended| ended.model.as_ref()))?;
    to.shared(ended.and_then(|ended| ended.provider.as_ref()))?;
    let usage = ended.map(|ended| ended.usage).unwrap_or_default();
    for tokens in [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ] {
        to.int(tokens.map(stored))?;
    }
    for amount in [usage.cost, usage.provider_cost, usage.server_tool_cost] {
        to.int(amount.map(|amount| amount.0))?;
    }
    to.int(ended.map(|ended| stored(ended.request_bytes)))?;
    to.int(ended.map(|ended| stored(ended.response_bytes)))?;
    to.int(ended.and_then(|ended| ended.head_us).map(stored))?;
    to.int(ended.and_then(|ended| ended.first_output_us).map(stored))?;
    to.int(ended.map(|ended| stored(ended.duration_us)))
}

/// Reads a row of a query for [`all`] columns.
pub(in crate::ledger) fn read_row(from: &engine::Row) -> Result<Row, sqlx::Error> {
    let text = |column| from.text(column).map(|text| text.map(Name::from));
    let labels = RequestLabels {
        tenant: text(3)?,
        key: text(4)?.unwrap_or_default(),
        user: text(5)?,
        session: text(6)?,
        chat: text(7)?,
        message: text(8)?,
    };
    let sent = SentIds {
        user: text(9)?,
        session: text(10)?,
        metadata_session: text(11)?,
        chat: text(12)?,
        message: text(13)?,
    };
    let id = RequestId::from_bytes(&from.bytes(0)?);
    let begun = Begun {
        id: id.ok_or_else(|| sqlx::Error::Decode("a request id has 21 bytes".into()))?,
        began_us: from.count(1)?,
        labels,
        sent,
        endpoint: text(14)?.unwrap_or_default(),
        account: text(15)?,
        markup: from.int(16)?.map_or(Markup::ONE, Markup::from_millionths),
    };
    let generation = text(18)?;
    let ended = read_end(from, generation.clone())?;
    Ok(Row { begun, node: text(17)?.unwrap_or_default(), generation, count: from.count(19)?, ended })
}

fn read_end(from: &engine::Row, generation: Option<Name>) -> Result<Option<Finished>, sqlx::Error> {
    let text = |column| from.text(column).map(|text| text.map(Name::from));
    let count = |column| from.int(column).map(|count| count.and_then(|count| u64::try_from(count).ok()));
    let amount = |column| from.int(column).map(|amount| amount.map(NanoUsd));
    let Some(ending) = from.int(20)? else { return Ok(None) };
    Ok(Some(Finished {
        outcome: outcome(ending),
        status: u16::try_from(from.count(21)?).unwrap_or_default(),
        error: text(22)?,
        limit: text(23)?,
        bill: bill(from.count(24)?),
        requested_model: text(25)?,
        model: text(26)?,
        provider: text(27)?,
        generation,
        usage: Usage {
            prompt_tokens: count(28)?,
            completion_tokens: count(29)?,
            cached_tokens: count(30)?,
            cache_write_tokens: count(31)?,
            reasoning_tokens: count(32)?,
            cost: amount(33)?,
            provider_cost: amount(34)?,
            server_tool_cost: amount(35)?,
        },
        request_bytes: count(36)?.unwrap_or_default(),
        response_bytes: count(37)?.unwrap_or_default(),
        head_us: count(38)?,
        first_output_us: count(39)?,
        duration_us: count(40)?.unwrap_or_default(),
    }))
}
