//! The columns of `requests`, in one list: the insert statement, the query and their order follow it.

use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;

use crate::ledger::engine::{self, Arguments};
use crate::ledger::placed::Placed;
use crate::ledger::record::{Begun, Finished, Name, RequestLabels, SentIds};
use crate::ledger::row::{Row, bill, bill_code, ending_code, outcome};
use crate::ledger::sums::stored;

/// The columns that are known at the beginning of a request and do not change, in the order of [`bind_row`].
pub(super) const FIXED: [&str; 5] = ["id", "began_us", "context", "message", "sent_message"];

/// The columns of the view `ledger` that [`read_row`] expects before [`CHANGING`].
const SHOWN: [&str; 16] = [
    "id",
    "began_us",
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

/// Returns the columns of the view `ledger`, separated by commas.
pub(in crate::ledger) fn all() -> String {
    SHOWN.into_iter().chain(CHANGING).collect::<Vec<_>>().join(", ")
}

/// Returns the columns of `requests`, separated by commas.
pub(super) fn own() -> String {
    FIXED.into_iter().chain(CHANGING).collect::<Vec<_>>().join(", ")
}

/// Adds a text as sent: `''` if it is the text as stated.
pub(super) fn bind_sent(sent: Option<&Name>, stated: Option<&Name>, to: &mut Arguments) -> Result<(), sqlx::Error> {
    if sent.is_some() && sent == stated { to.text(Some("")) } else { to.shared(sent.filter(|text| !text.is_empty())) }
}

/// Adds the arguments of a row, in the order of [`FIXED`] and [`CHANGING`].
pub(super) fn bind_row(placed: &Placed<'_>, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let Begun { id, began_us, labels, sent, .. } = &placed.row.begun;
    to.bytes(id.as_bytes())?;
    to.int(Some(*began_us))?;
    to.int(Some(placed.context))?;
    to.shared(labels.message.as_ref())?;
    bind_sent(sent.message.as_ref(), labels.message.as_ref(), to)?;
    bind_changing(placed.row, to)
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
        tenant: text(2)?,
        key: text(3)?.unwrap_or_default(),
        user: text(4)?,
        session: text(5)?,
        chat: text(6)?,
        message: text(7)?,
    };
    let sent =
        SentIds { user: text(8)?, session: text(9)?, metadata_session: text(10)?, chat: text(11)?, message: text(12)? };
    let id = RequestId::from_bytes(&from.bytes(0)?);
    let begun = Begun {
        id: id.ok_or_else(|| sqlx::Error::Decode("a request id has 21 bytes".into()))?,
        began_us: from.count(1)?,
        labels,
        sent,
        endpoint: text(13)?.unwrap_or_default(),
        account: text(14)?,
        markup: from.int(15)?.map_or(Markup::ONE, Markup::from_millionths),
    };
    let generation = text(17)?;
    let ended = read_end(from, generation.clone())?;
    Ok(Row { begun, node: text(16)?.unwrap_or_default(), generation, count: from.count(18)?, ended })
}

fn read_end(from: &engine::Row, generation: Option<Name>) -> Result<Option<Finished>, sqlx::Error> {
    let text = |column| from.text(column).map(|text| text.map(Name::from));
    let count = |column| from.int(column).map(|count| count.and_then(|count| u64::try_from(count).ok()));
    let amount = |column| from.int(column).map(|amount| amount.map(NanoUsd));
    let Some(ending) = from.int(19)? else { return Ok(None) };
    Ok(Some(Finished {
        outcome: outcome(ending),
        status: u16::try_from(from.count(20)?).unwrap_or_default(),
        error: text(21)?,
        limit: text(22)?,
        bill: bill(from.count(23)?),
        requested_model: text(24)?,
        model: text(25)?,
        provider: text(26)?,
        generation,
        usage: Usage {
            prompt_tokens: count(27)?,
            completion_tokens: count(28)?,
            cached_tokens: count(29)?,
            cache_write_tokens: count(30)?,
            reasoning_tokens: count(31)?,
            cost: amount(32)?,
            provider_cost: amount(33)?,
            server_tool_cost: amount(34)?,
        },
        request_bytes: count(35)?.unwrap_or_default(),
        response_bytes: count(36)?.unwrap_or_default(),
        head_us: count(37)?,
        first_output_us: count(38)?,
        duration_us: count(39)?.unwrap_or_default(),
    }))
}
