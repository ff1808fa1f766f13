//! `meta.json`, the entry that describes a request: identifiers, times, outcome, usage and the other entries.
//!
//! Operators and `callsign archive` read it. It contains neither request nor response content.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{Begun, Finished};
use callsign_core::identity::RenderedIds;
use callsign_core::usage::Usage;

/// The version of `meta.json`. New versions only add members, so readers accept every version.
const VERSION: u32 = 1;

/// The content of `meta.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// The format version, currently 1.
    pub version: u32,
    /// callsign's id of the request. The ledger's row has the same id.
    pub request: String,
    /// Time of the request's head (RFC 3339, UTC).
    pub began: String,
    /// Time of the response's end (RFC 3339, UTC).
    pub ended: String,
    /// Milliseconds from the request's head to the response's head.
    pub first_byte_ms: Option<u64>,
    /// Milliseconds from the request's head to the response's end.
    pub duration_ms: u64,
    /// The name of the key that authenticated the caller.
    pub key: String,
    /// The caller's tenant.
    pub tenant: Option<String>,
    /// The identifiers as the caller states them, before formatting.
    pub ids: Ids,
    /// The identifiers as the formats render them. The file's path is made of these.
    pub named: Ids,
    /// The identifiers that went upstream; absent if the valve is off.
    pub sent: Ids,
    /// The endpoint's path.
    pub endpoint: String,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// OpenRouter's generation id.
    pub generation: Option<String>,
    /// The HTTP status that the client received; 0 if none.
    pub status: u16,
    /// `complete`, `client_gone`, `upstream_cut`, `upstream_silent`, or `refused` if callsign answered the request.
    pub outcome: String,
    /// callsign's error code, or the error type that the response states.
    pub error: Option<String>,
    /// Tokens and cost.
    pub usage: Took,
    /// The other entries, by name.
    pub parts: BTreeMap<String, Part>,
}

/// The identifiers of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ids {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The session. In [`Meta::sent`] it is the request's `session_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The request's `metadata.session_id`, if it was sent and differs from `session_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_session: Option<String>,
    /// The chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Tokens and cost as OpenRouter reported them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Took {
    /// Prompt tokens.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens.
    pub completion_tokens: Option<u64>,
    /// Prompt tokens that were read from a cache.
    pub cached_tokens: Option<u64>,
    /// Completion tokens that were spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Cost in US dollars, as a decimal string.
    pub cost_usd: Option<String>,
}

/// The description of another entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Part {
    /// Bytes in the archive.
    pub bytes: u64,
    /// Bytes of the original.
    pub of: u64,
    /// True if bytes are missing: the body exceeded `archive.max_body_bytes`, or the memory budget was used up.
    pub truncated: bool,
    /// SHA-256 of the archived bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Meta {
    /// Describes a finished request.
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
            key: row.labels.key.to_string(),
            tenant: owned(row.labels.tenant.as_ref()),
            ids: Ids {
                user: owned(row.labels.user.as_ref()),
                session: owned(row.labels.session.as_ref()),
                metadata_session: None,
                chat: owned(row.labels.chat.as_ref()),
                message: owned(row.labels.message.as_ref()),
            },
            named: begun.names.clone().into(),
            sent: Ids {
                user: owned(row.sent.user.as_ref()),
                session: owned(row.sent.session.as_ref()),
                metadata_session: owned(row.sent.metadata_session.as_ref()),
                chat: owned(row.sent.chat.as_ref()),
                message: owned(row.sent.message.as_ref()),
            },
            endpoint: row.endpoint.to_string(),
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

    /// Returns true if `id` is the request's id, its generation, or one of its identifiers in any form.
    pub fn has(&self, id: &str) -> bool {
        let contains = |ids: &Ids| {
            let Ids { user, session, metadata_session, chat, message } = ids;
            [user, session, metadata_session, chat, message].into_iter().any(|known| known.as_deref() == Some(id))
        };
        self.request == id
            || self.generation.as_deref() == Some(id)
            || [&self.ids, &self.named, &self.sent].into_iter().any(contains)
    }

    /// Returns true if the request is of this tenant. The empty name stands for no tenant.
    pub fn is_of_tenant(&self, tenant: &str) -> bool {
        self.tenant.as_deref().unwrap_or_default() == tenant
    }

    /// Returns true if `user` is the request's user in any form (stated, rendered or sent).
    pub fn is_of_user(&self, user: &str) -> bool {
        [&self.ids, &self.named, &self.sent].into_iter().any(|ids| ids.user.as_deref() == Some(user))
    }

    /// Returns true if `chat` is the request's chat in any form (stated, rendered or sent).
    pub fn is_of_chat(&self, chat: &str) -> bool {
        [&self.ids, &self.named, &self.sent].into_iter().any(|ids| ids.chat.as_deref() == Some(chat))
    }
}

fn owned(name: Option<&Arc<str>>) -> Option<String> {
    name.map(|name| name.as_ref().to_owned())
}

/// Formats microseconds since 1970 as RFC 3339.
fn moment(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or_default().to_string()
}

impl From<RenderedIds> for Ids {
    fn from(names: RenderedIds) -> Self {
        let RenderedIds { user, chat, message } = names;
        Self { user, chat, message, ..Self::default() }
    }
}

impl From<Usage> for Took {
    fn from(usage: Usage) -> Self {
        let Usage { prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, .. } = usage;
        let cost_usd = cost.map(|cost| cost.to_string());
        Self { prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_usd }
    }
}
