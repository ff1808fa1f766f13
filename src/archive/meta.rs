//! `meta.json`: what is to be known of a request without reading it, for people and for `callsign archive`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{Begun, Finished};
use crate::identifiers::Names;
use crate::ledger::Usage;

/// The form of `meta.json`; a reader refuses none, since members are only ever added.
const VERSION: u32 = 1;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// 1.
    pub version: u32,
    /// callsign's own id of the request, which its row in the ledger has too.
    pub request: String,
    /// When its head came (RFC 3339, UTC).
    pub began: String,
    /// When its answer ended.
    pub ended: String,
    /// Milliseconds until the head of the answer.
    pub first_byte_ms: Option<u64>,
    /// Milliseconds until its end.
    pub duration_ms: u64,
    /// The name of the key that let the caller in.
    pub key: String,
    /// The caller's tenant.
    pub tenant: Option<String>,
    /// The ids as they are known inside.
    pub ids: Ids,
    /// As the formats write them, which the file is named by.
    pub named: Ids,
    /// As they went upstream; absent where a valve is closed.
    pub sent: Ids,
    /// The endpoint's path.
    pub endpoint: String,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// OpenRouter's id of the answer.
    pub generation: Option<String>,
    /// The status that the client got; 0 if none.
    pub status: u16,
    /// How it ended: `complete`, `client_gone`, `upstream_cut`, `upstream_silent`, or `refused` where callsign answered.
    pub outcome: String,
    /// callsign's own error code, or the type of an error within the answer.
    pub error: Option<String>,
    /// What it took.
    pub usage: Took,
    /// The other entries, by name.
    pub parts: BTreeMap<String, Part>,
}

/// Ids of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ids {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The session; as sent, what OpenRouter got as `session_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `metadata.session_id`, where it was sent and differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_session: Option<String>,
    /// The chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Tokens and cost, as OpenRouter told them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Took {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the reply.
    pub completion_tokens: Option<u64>,
    /// Tokens of the prompt from a cache.
    pub cached_tokens: Option<u64>,
    /// Tokens of the reply spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Dollars, as a decimal string.
    pub cost_usd: Option<String>,
}

/// One entry beside `meta.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Part {
    /// Bytes that are in the archive.
    pub bytes: u64,
    /// Bytes that there were.
    pub of: u64,
    /// Whether the rest was left out: over the cap, or no memory for it.
    pub truncated: bool,
    /// SHA-256 of what is in the archive, in hexadecimal digits.
    pub sha256: String,
}

impl Meta {
    /// Of a request that has ended.
    pub(super) fn of(begun: &Begun, finished: &Finished, parts: BTreeMap<String, Part>) -> Self {
        let row = &begun.row;
        let Finished { status, outcome, code, seen, first_byte_us, duration_us } = finished.clone();
        let ended_us = row.began_us.saturating_add(i64::try_from(duration_us).unwrap_or(i64::MAX));
        Self {
            version: VERSION,
            request: row.id.to_string(),
            began: moment(row.began_us),
            ended: moment(ended_us),
            first_byte_ms: first_byte_us.map(|micros| micros / 1000),
            duration_ms: duration_us / 1000,
            key: row.names.key.to_string(),
            tenant: owned(row.names.tenant.as_ref()),
            ids: Ids {
                user: owned(row.names.user.as_ref()),
                session: owned(row.names.session.as_ref()),
                metadata_session: None,
                chat: owned(row.names.chat.as_ref()),
                message: owned(row.message.as_ref()),
            },
            named: begun.names.clone().into(),
            sent: Ids {
                user: owned(row.names.sent_user.as_ref()),
                session: owned(row.names.sent_session.as_ref()),
                metadata_session: owned(row.names.sent_metadata_session.as_ref()),
                chat: owned(row.names.sent_chat.as_ref()),
                message: owned(row.sent_message.as_ref()),
            },
            endpoint: row.names.endpoint.to_string(),
            model: seen.model,
            provider: seen.provider,
            generation: seen.generation,
            status,
            outcome: outcome.to_owned(),
            error: code.map(str::to_owned).or(seen.error),
            usage: seen.usage.into(),
            parts,
        }
    }

    /// Whether this identifier, as somebody may report it, is one of this request's.
    pub fn has(&self, id: &str) -> bool {
        let one = |ids: &Ids| {
            let Ids { user, session, metadata_session, chat, message } = ids;
            [user, session, metadata_session, chat, message].into_iter().any(|known| known.as_deref() == Some(id))
        };
        self.request == id
            || self.generation.as_deref() == Some(id)
            || [&self.ids, &self.named, &self.sent].into_iter().any(one)
    }

    /// Whether this user's request it was, by the id that is known inside, the one that was sent, or the name of the file.
    pub fn is_of_user(&self, user: &str) -> bool {
        [&self.ids, &self.named, &self.sent].into_iter().any(|ids| ids.user.as_deref() == Some(user))
    }

    /// Likewise the chat.
    pub fn is_of_chat(&self, chat: &str) -> bool {
        [&self.ids, &self.named, &self.sent].into_iter().any(|ids| ids.chat.as_deref() == Some(chat))
    }
}

fn owned(name: Option<&Arc<str>>) -> Option<String> {
    name.map(|name| name.as_ref().to_owned())
}

/// Microseconds since 1970 as RFC 3339.
fn moment(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or_default().to_string()
}

impl From<Names> for Ids {
    fn from(names: Names) -> Self {
        let Names { user, chat, message } = names;
        Self { user, chat, message, ..Self::default() }
    }
}

impl From<Usage> for Took {
    fn from(usage: Usage) -> Self {
        let Usage { prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost } = usage;
        let cost_usd = cost.map(|cost| cost.to_string());
        Self { prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_usd }
    }
}
