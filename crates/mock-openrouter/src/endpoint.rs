//! The inference endpoints.

use http::StatusCode;
use serde_json::Value;

use super::plan::Plan;
use super::reply::{Failure, Reply};
use super::{chat, errors, media, messages, responses, videos};

/// All inference endpoints by their path below `/api/v1/`.
const TABLE: [(&str, Endpoint); 13] = [
    ("chat/completions", Endpoint::Completion(chat::Kind::Chat)),
    ("completions", Endpoint::Completion(chat::Kind::Text)),
    ("responses", Endpoint::Responses),
    ("messages", Endpoint::Messages),
    ("messages/count_tokens", Endpoint::CountTokens),
    ("embeddings", Endpoint::Embeddings),
    ("rerank", Endpoint::Rerank),
    ("images", Endpoint::Images),
    ("images/generations", Endpoint::Images),
    ("audio/speech", Endpoint::Speech),
    ("audio/transcriptions", Endpoint::Transcription),
    ("videos", Endpoint::Videos),
    ("systemone", Endpoint::SystemOne),
];

/// An inference endpoint; all of them take POST requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Endpoint {
    Completion(chat::Kind),
    Responses,
    Messages,
    CountTokens,
    Embeddings,
    Rerank,
    Images,
    Speech,
    Transcription,
    Videos,
    SystemOne,
}

impl Endpoint {
    /// Finds the endpoint of a path. Returns it with the path.
    pub(super) fn find(path: &str) -> Option<(&'static str, Self)> {
        TABLE.into_iter().find(|(known, _)| *known == path)
    }

    /// Returns true if requests run no model: they cost nothing and have no generation record.
    pub(super) fn is_free(self) -> bool {
        self == Self::CountTokens
    }

    /// Returns the id of the generation: a job has one of its own, which only the body tells.
    pub(super) fn id_of(self, id: &str) -> String {
        if self == Self::Videos { id.replacen("gen-", "gen-vid-", 1) } else { id.to_owned() }
    }

    /// Returns true if the response to this request is a stream.
    fn streams(self, reply: &Reply<'_>) -> bool {
        let can = matches!(self, Self::Completion(_) | Self::Responses | Self::Messages | Self::Images);
        can && reply.asked.wants_stream()
    }

    /// Returns the response: a stream if the request asks for one and the endpoint supports it.
    pub(super) fn plan(self, reply: &Reply<'_>) -> Plan {
        let streamed = self.streams(reply);
        if reply.failure == Some(Failure::BeforeOutput) && !streamed {
            let message = errors::usual_message(StatusCode::BAD_GATEWAY);
            return errors::error(&reply.asked.path, StatusCode::OK, message, &reply.id);
        }
        let json = |body: &Value| Plan::json(StatusCode::OK, body);
        match self {
            Self::Completion(kind) if streamed => Plan::stream(chat::events(kind, reply)),
            Self::Completion(kind) => Plan::padded_json(&chat::whole(kind, reply)),
            Self::Responses if streamed => Plan::stream(responses::events(reply)),
            Self::Responses => json(&responses::whole(reply)),
            Self::Messages if streamed => Plan::stream(messages::events(reply)),
            Self::Messages => json(&messages::whole(reply)),
            Self::CountTokens => json(&messages::count()),
            Self::Embeddings => json(&media::embeddings(reply)),
            Self::Rerank => json(&media::rerank(reply)),
            Self::Images if streamed => Plan::stream(media::image_events(reply)),
            Self::Images => json(&media::image(reply)),
            Self::Speech => media::speech(),
            Self::Transcription => json(&media::transcription(reply)),
            Self::Videos => videos::created(reply),
            Self::SystemOne => json(&media::decisions(reply)),
        }
    }
}
