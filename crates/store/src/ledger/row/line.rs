//! A row as a line of the spill file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Ended, Ending, Row};
use crate::ledger::context::Context;
use crate::ledger::names::{Name, Names, storable};
use callsign_core::usage::Usage;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;

/// A row in the spill file. Fields may be added, but must not change their meaning, because older files must stay
/// readable.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Line {
    id: String,
    began_us: i64,
    /// End of the month in which the request began.
    until_us: i64,
    node: String,
    tenant: Option<String>,
    key: String,
    user: Option<String>,
    session: Option<String>,
    chat: Option<String>,
    message: Option<String>,
    sent_user: Option<String>,
    sent_session: Option<String>,
    sent_metadata_session: Option<String>,
    sent_chat: Option<String>,
    sent_message: Option<String>,
    endpoint: String,
    generation: Option<String>,
    markup: i64,
    ended: Option<LineEnd>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            id: String::new(),
            began_us: 0,
            until_us: 0,
            node: String::new(),
            tenant: None,
            key: String::new(),
            user: None,
            session: None,
            chat: None,
            message: None,
            sent_user: None,
            sent_session: None,
            sent_metadata_session: None,
            sent_chat: None,
            sent_message: None,
            endpoint: String::new(),
            generation: None,
            markup: Markup::ONE.millionths(),
            ended: None,
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct LineEnd {
    ending: i64,
    status: u16,
    error: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    cost: Option<i64>,
    request_bytes: u64,
    response_bytes: u64,
    first_byte_us: Option<u64>,
    duration_us: u64,
}

fn own(text: Option<&Arc<str>>) -> Option<String> {
    text.map(|text| text.as_ref().to_owned())
}

impl Row {
    /// Returns the row as one line of JSON, without a line break.
    pub(in crate::ledger) fn to_json(&self) -> String {
        let ended = self.ended.as_ref().map(|ended| LineEnd {
            ending: ended.ending.code(),
            status: ended.status,
            error: own(ended.error.as_ref()),
            model: own(ended.model.as_ref()),
            provider: own(ended.provider.as_ref()),
            prompt_tokens: ended.usage.prompt_tokens,
            completion_tokens: ended.usage.completion_tokens,
            cached_tokens: ended.usage.cached_tokens,
            reasoning_tokens: ended.usage.reasoning_tokens,
            cost: ended.usage.cost.map(|cost| cost.0),
            request_bytes: ended.request_bytes,
            response_bytes: ended.response_bytes,
            first_byte_us: ended.first_byte_us,
            duration_us: ended.duration_us,
        });
        let Context { until_us, names, .. } = self.context.as_ref();
        let line = Line {
            id: self.id.to_string(),
            began_us: self.began_us,
            until_us: *until_us,
            node: self.node.as_ref().to_owned(),
            tenant: own(names.tenant.as_ref()),
            key: names.key.as_ref().to_owned(),
            user: own(names.user.as_ref()),
            session: own(names.session.as_ref()),
            chat: own(names.chat.as_ref()),
            message: own(self.message.as_ref()),
            sent_user: own(names.sent_user.as_ref()),
            sent_session: own(names.sent_session.as_ref()),
            sent_metadata_session: own(names.sent_metadata_session.as_ref()),
            sent_chat: own(names.sent_chat.as_ref()),
            sent_message: own(self.sent_message.as_ref()),
            endpoint: names.endpoint.as_ref().to_owned(),
            generation: own(self.generation.as_ref()),
            markup: names.markup.millionths(),
            ended,
        };
        // Cannot fail: the struct contains only text and numbers.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Parses a line. `None` if it is invalid.
    pub(in crate::ledger) fn from_json(json: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(json).ok()?;
        let name = |text: Option<String>| storable(text.map(Name::from));
        let ended = line.ended.map(|ended| Ended {
            ending: Ending::from_code(ended.ending),
            status: ended.status,
            error: name(ended.error),
            model: name(ended.model),
            provider: name(ended.provider),
            usage: Usage {
                prompt_tokens: ended.prompt_tokens,
                completion_tokens: ended.completion_tokens,
                cached_tokens: ended.cached_tokens,
                reasoning_tokens: ended.reasoning_tokens,
                cost: ended.cost.map(NanoUsd),
                ..Usage::default()
            },
            request_bytes: ended.request_bytes,
            response_bytes: ended.response_bytes,
            first_byte_us: ended.first_byte_us,
            duration_us: ended.duration_us,
        });
        let names = Names {
            tenant: name(line.tenant),
            key: line.key.into(),
            user: name(line.user),
            session: name(line.session),
            chat: name(line.chat),
            sent_user: name(line.sent_user),
            sent_session: name(line.sent_session),
            sent_metadata_session: name(line.sent_metadata_session),
            sent_chat: name(line.sent_chat),
            endpoint: line.endpoint.into(),
            markup: Markup::from_millionths(line.markup),
        };
        Some(Self {
            id: line.id.parse().ok()?,
            began_us: line.began_us,
            node: line.node.into(),
            context: Arc::new(Context::new(names, line.until_us)),
            message: name(line.message),
            sent_message: name(line.sent_message),
            generation: name(line.generation),
            ended,
        })
    }
}
