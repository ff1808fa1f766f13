//! One row as it goes into the database or the spill file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::markup::Markup;
use super::money::NanoUsd;
use super::record::{Begun, End, Finished, SentIds, Usage};

/// A request, as much of it as is known. Text is shared, so that a row that was handed to the database is still there
/// for the spill file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) began_us: i64,
    /// The run of callsign that it is in flight in; kept for finished ones too, but not written.
    pub(super) node: Arc<str>,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) key: Arc<str>,
    pub(super) user: Option<Arc<str>>,
    pub(super) session: Option<Arc<str>>,
    pub(super) chat: Option<Arc<str>>,
    pub(super) message: Option<Arc<str>>,
    pub(super) sent: Sent,
    pub(super) endpoint: Arc<str>,
    pub(super) generation: Option<Arc<str>>,
    pub(super) markup: Markup,
    /// `None` while it runs.
    pub(super) ended: Option<Ended>,
}

/// [`SentIds`] with shared text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sent {
    pub(super) user: Option<Arc<str>>,
    pub(super) session: Option<Arc<str>>,
    pub(super) metadata_session: Option<Arc<str>>,
    pub(super) chat: Option<Arc<str>>,
    pub(super) message: Option<Arc<str>>,
}

/// What is known of its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) status: u16,
    pub(super) error: Option<Arc<str>>,
    pub(super) model: Option<Arc<str>>,
    pub(super) provider: Option<Arc<str>>,
    pub(super) usage: Usage,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) first_byte_us: Option<u64>,
    pub(super) duration_us: u64,
}

/// [`End`], and what is said of a request whose process died first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Known(End),
    Unknown,
}

impl Ending {
    /// Its number in the table.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Known(End::Complete) => 0,
            Self::Known(End::ClientGone) => 1,
            Self::Known(End::UpstreamCut) => 2,
            Self::Known(End::Refused) => 3,
            Self::Unknown => Self::UNKNOWN,
        }
    }

    /// [`Ending::Unknown`]'s number.
    pub(super) const UNKNOWN: i64 = 4;

    pub(super) fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Known(End::Complete),
            1 => Self::Known(End::ClientGone),
            2 => Self::Known(End::UpstreamCut),
            3 => Self::Known(End::Refused),
            _ => Self::Unknown,
        }
    }
}

impl Ended {
    /// What is said of a request whose process died first.
    pub(super) fn unknown() -> Self {
        Self {
            ending: Ending::Unknown,
            status: 0,
            error: None,
            model: None,
            provider: None,
            usage: Usage::default(),
            request_bytes: 0,
            response_bytes: 0,
            first_byte_us: None,
            duration_us: 0,
        }
    }

    /// Whether it went upstream: callsign's own answers did not, but for the one that says that the upstream took too
    /// long.
    pub(super) fn went_upstream(&self) -> bool {
        self.ending != Ending::Known(End::Refused) || self.error.as_deref() == Some("upstream_timeout")
    }

    /// The kind of its error, if it ended in one.
    pub(super) fn error_kind(&self) -> Option<Arc<str>> {
        match (&self.error, self.ending) {
            (Some(error), _) => Some(Arc::clone(error)),
            (None, Ending::Known(End::UpstreamCut)) => Some("upstream_cut".into()),
            (None, _) if self.status >= 400 => Some(format!("status_{}", self.status).into()),
            _ => None,
        }
    }
}

/// Shared text. PostgreSQL takes no U+0000, which a model's name from outside may hold.
fn share(text: Option<String>) -> Option<Arc<str>> {
    text.map(|text| if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() })
}

impl Row {
    /// The parts that the request path gathered. `ended` comes with its own word on the generation.
    pub(super) fn new(
        begun: Begun,
        generation: Option<String>,
        finished: Option<Finished>,
        node: Arc<str>,
        endpoint: Arc<str>,
    ) -> Self {
        let SentIds { user, session, metadata_session, chat, message } = begun.sent;
        let sent = Sent {
            user: share(user),
            session: share(session),
            metadata_session: share(metadata_session),
            chat: share(chat),
            message: share(message),
        };
        let (told, ended) = match finished {
            None => (None, None),
            Some(finished) => (
                finished.generation,
                Some(Ended {
                    ending: Ending::Known(finished.end),
                    status: finished.status,
                    error: share(finished.error),
                    model: share(finished.model),
                    provider: share(finished.provider),
                    usage: finished.usage,
                    request_bytes: finished.request_bytes,
                    response_bytes: finished.response_bytes,
                    first_byte_us: finished.first_byte_us,
                    duration_us: finished.duration_us,
                }),
            ),
        };
        Self {
            id: begun.id,
            began_us: begun.began_us,
            node,
            tenant: begun.tenant,
            key: begun.key,
            user: share(begun.user),
            session: share(begun.session),
            chat: share(begun.chat),
            message: share(begun.message),
            sent,
            endpoint,
            generation: share(told.or(generation)),
            markup: begun.markup,
            ended,
        }
    }

    /// Takes every name of a person out of it; `key` only if told.
    pub(super) fn forget(&mut self, key: bool) {
        self.user = None;
        self.session = None;
        self.chat = None;
        self.message = None;
        self.sent = Sent::default();
        self.generation = None;
        if key {
            self.key = "".into();
        }
    }
}

/// The spill file's form of a row. Fields may be added, never given another meaning: an older file must be readable.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Line {
    id: String,
    began_us: i64,
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
    /// One line of JSON, without its line break.
    pub(super) fn to_json(&self) -> String {
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
        let line = Line {
            id: self.id.to_string(),
            began_us: self.began_us,
            node: self.node.as_ref().to_owned(),
            tenant: own(self.tenant.as_ref()),
            key: self.key.as_ref().to_owned(),
            user: own(self.user.as_ref()),
            session: own(self.session.as_ref()),
            chat: own(self.chat.as_ref()),
            message: own(self.message.as_ref()),
            sent_user: own(self.sent.user.as_ref()),
            sent_session: own(self.sent.session.as_ref()),
            sent_metadata_session: own(self.sent.metadata_session.as_ref()),
            sent_chat: own(self.sent.chat.as_ref()),
            sent_message: own(self.sent.message.as_ref()),
            endpoint: self.endpoint.as_ref().to_owned(),
            generation: own(self.generation.as_ref()),
            markup: self.markup.millionths(),
            ended,
        };
        // A struct of text and numbers has no way to fail.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// The row of such a line; `None` if it is none.
    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(json).ok()?;
        let ended = line.ended.map(|ended| Ended {
            ending: Ending::from_code(ended.ending),
            status: ended.status,
            error: share(ended.error),
            model: share(ended.model),
            provider: share(ended.provider),
            usage: Usage {
                prompt_tokens: ended.prompt_tokens,
                completion_tokens: ended.completion_tokens,
                cached_tokens: ended.cached_tokens,
                reasoning_tokens: ended.reasoning_tokens,
                cost: ended.cost.map(NanoUsd),
            },
            request_bytes: ended.request_bytes,
            response_bytes: ended.response_bytes,
            first_byte_us: ended.first_byte_us,
            duration_us: ended.duration_us,
        });
        Some(Self {
            id: line.id.parse().ok()?,
            began_us: line.began_us,
            node: line.node.into(),
            tenant: share(line.tenant),
            key: line.key.into(),
            user: share(line.user),
            session: share(line.session),
            chat: share(line.chat),
            message: share(line.message),
            sent: Sent {
                user: share(line.sent_user),
                session: share(line.sent_session),
                metadata_session: share(line.sent_metadata_session),
                chat: share(line.sent_chat),
                message: share(line.sent_message),
            },
            endpoint: line.endpoint.into(),
            generation: share(line.generation),
            markup: Markup::from_millionths(line.markup),
            ended,
        })
    }
}
