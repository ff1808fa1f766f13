//! The table of exposed endpoints: each path's error format, identifiers and body kind.
//!
//! Every other path gets 404, because it could expose the operator's account (`docs/SPEC.md#not-exposed`). This module
//! decides by method, path and two flags; it must not look at headers or bodies.

pub mod not_found;
pub mod path;
pub mod removed_fields;
pub mod video;

use http::Method;

pub use path::CataloguePath;
pub use removed_fields::REMOVED_FIELDS;
pub use video::VideoPath;

/// An error response format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"error":{"message","type","param","code"}}`.
    OpenAi,
    /// `{"type":"error","error":{"type","message"}}`.
    Anthropic,
}

/// The metadata that an endpoint accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// No metadata.
    None,
    /// A map of up to 16 pairs.
    Full,
    /// Only `{"user_id": …}`, as in OpenRouter's `MessagesRequestMetadata`.
    UserOnly,
}

/// The identifiers that requests to an endpoint may carry, besides `user`, `session_id` and `trace`, which every body
/// may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// True if the header `x-session-id` repeats the session id (OpenRouter docs, "Grouping requests across
    /// modalities").
    pub session_header: bool,
    /// The metadata that the body may have.
    pub metadata: Metadata,
    /// True if the body may have `safety_identifier`, which equals `user`.
    pub safety_identifier: bool,
}

/// A POST endpoint whose request body is rewritten.
#[derive(Debug, PartialEq, Eq)]
pub struct Inference {
    /// The path after `/v1/`; also the endpoint's name in metrics and logs.
    pub path: &'static str,
    /// The error format.
    pub dialect: Dialect,
    /// The identifiers that a request may carry.
    pub fields: Fields,
    /// True if the endpoint uses `prompt_cache_key`, so that the bound value replaces the client's.
    pub cache_key: bool,
    /// True if `input` may replay items of earlier answers, such as calls of server tools.
    pub replays: bool,
    /// True if the body may also be a multipart form.
    pub form: bool,
    /// Query parameters that are forwarded; all others are dropped.
    pub query: &'static [&'static str],
}

impl Inference {
    /// Returns true if OpenRouter never charges for the endpoint.
    pub fn is_free(&self) -> bool {
        self.path == "messages/count_tokens"
    }

    /// Returns true if an answer is a job, which its creator reads later (`docs/SPEC.md#videos`).
    pub fn creates_jobs(&self) -> bool {
        self.path == video::CREATE
    }

    /// Finds an endpoint by path, with or without `/v1/` or `/api/v1/`, or by short name: `chat`, or the last segment
    /// of a path, such as `speech`.
    ///
    /// # Errors
    /// A message that lists the accepted names.
    pub fn find_by_name(name: &str) -> Result<&'static Self, String> {
        let path = name.trim_start_matches('/').trim_start_matches("api/").trim_start_matches("v1/");
        let path = if path == "chat" { "chat/completions" } else { path };
        let last = |endpoint: &&Self| endpoint.path.rsplit('/').next() == Some(path);
        let exact = INFERENCE.iter().find(|endpoint| endpoint.path == path);
        exact.or_else(|| INFERENCE.iter().find(last)).ok_or_else(|| {
            let paths: Vec<_> = INFERENCE.iter().map(|endpoint| endpoint.path).collect();
            format!("unknown endpoint; expected chat or one of {}", paths.join(", "))
        })
    }
}

const CHAT: Fields = Fields { session_header: false, metadata: Metadata::Full, safety_identifier: false };
const RESPONSES: Fields = Fields { safety_identifier: true, ..CHAT };
const MESSAGES: Fields = Fields { metadata: Metadata::UserOnly, ..CHAT };
/// Endpoints whose session was only in a header until autumn 2026.
const MEDIA: Fields = Fields { session_header: true, metadata: Metadata::None, safety_identifier: false };
/// Endpoints that never had the header.
const BODY_ONLY: Fields = Fields { session_header: false, ..MEDIA };

const fn openai(path: &'static str, fields: Fields, cache_key: bool) -> Inference {
    Inference { path, dialect: Dialect::OpenAi, fields, cache_key, replays: false, form: false, query: &[] }
}

const fn anthropic(path: &'static str) -> Inference {
    // The Anthropic SDKs add `?beta=true`.
    Inference { dialect: Dialect::Anthropic, query: &["beta"], ..openai(path, MESSAGES, true) }
}

/// All POST endpoints (`docs/SPEC.md#inference-endpoints`).
pub static INFERENCE: [Inference; 13] = [
    openai("chat/completions", CHAT, true),
    openai("completions", CHAT, true),
    Inference { replays: true, ..openai("responses", RESPONSES, true) },
    anthropic("messages"),
    anthropic("messages/count_tokens"),
    openai("embeddings", MEDIA, false),
    openai("rerank", MEDIA, false),
    openai("images", MEDIA, false),
    openai("images/generations", MEDIA, false),
    openai("audio/speech", MEDIA, false),
    Inference { form: true, ..openai("audio/transcriptions", MEDIA, false) },
    openai(video::CREATE, BODY_ONLY, false),
    openai("systemone", BODY_ONLY, false),
];

/// The `allow` header of read-only endpoints.
const READING: &str = "GET, HEAD";

/// The endpoint that a method and a path select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A POST whose body is rewritten.
    Inference(&'static Inference),
    /// A GET or HEAD of OpenRouter's public catalogue, forwarded under this path.
    Read(CataloguePath),
    /// A GET or HEAD of the caller's own data.
    SelfService(SelfService),
    /// A GET or HEAD of one of the caller's video jobs.
    Video(VideoPath),
}

/// A read-only endpoint for the caller's own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfService {
    /// `/callsign/v1/me`: the caller's identifiers and usage, answered by callsign.
    Me,
    /// `generation?id=…`: OpenRouter's record of one of the caller's generations. Requires the ledger, which records
    /// whose each generation is.
    Generation,
    /// `key`: the caller as an account of their own, answered by callsign.
    Key,
    /// `auth/key`: the same under OpenRouter's older path.
    AuthKey,
    /// `credits`: the caller's budget and usage, answered by callsign.
    Credits,
}

impl SelfService {
    /// The questions about the caller's account (`docs/SPEC.md#account-endpoints`).
    const ACCOUNT: [Self; 3] = [Self::Key, Self::AuthKey, Self::Credits];

    /// Returns the path at OpenRouter, and the name in metrics and logs.
    pub fn path(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Generation => "generation",
            Self::Key => "key",
            Self::AuthKey => "auth/key",
            Self::Credits => "credits",
        }
    }
}

/// The reason why no endpoint matches a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path is not in the table.
    #[error("this path is not exposed; callsign serves the inference endpoints and the model catalogue under /v1 only")]
    NotExposed,
    /// The path is in the table, but not with this method.
    #[error("this path does not have this method; send {allow}")]
    MethodNotAllowed {
        /// The value of the `allow` header.
        allow: &'static str,
    },
    /// A video job, without a ledger that knows whose it is.
    #[error(
        "video jobs need the ledger, which records whose each job is, and it is off; the operator turns it on with \
         CALLSIGN_DATA_DIR or CALLSIGN_LEDGER"
    )]
    NeedsLedger,
    /// A WebSocket handshake for the Responses API, which OpenRouter does not offer.
    #[error("WebSocket is not supported; send POST to this path instead")]
    WebSocket,
}

impl Endpoint {
    /// Finds the endpoint of a request. `upgrade` is true for a WebSocket handshake; `ledger` is true if the ledger is
    /// enabled and `generation` and the paths of video jobs are therefore available.
    ///
    /// # Errors
    /// [`RouteError::NotExposed`] and [`RouteError::NeedsLedger`] (404), [`RouteError::MethodNotAllowed`] (405) or [`RouteError::WebSocket`] (426).
    pub fn find(method: &Method, raw_path: &str, upgrade: bool, ledger: bool) -> Result<Self, RouteError> {
        let reading = method == Method::GET || method == Method::HEAD;
        let own = |own| {
            if reading { Ok(Self::SelfService(own)) } else { Err(RouteError::MethodNotAllowed { allow: READING }) }
        };
        if path::is_me(raw_path) {
            return own(SelfService::Me);
        }
        let path = path::Path::parse(raw_path).ok_or(RouteError::NotExposed)?;
        let inference = INFERENCE.iter().find(|endpoint| path.is(endpoint.path));
        if let Some(endpoint) = inference
            && method == Method::POST
        {
            return Ok(Self::Inference(endpoint));
        }
        match (inference, path.reads()) {
            (Some(endpoint), _) if upgrade && method == Method::GET && endpoint.path == "responses" => {
                Err(RouteError::WebSocket)
            }
            (_, Some(read)) if reading => Ok(Self::Read(read)),
            (Some(_), _) => Err(RouteError::MethodNotAllowed { allow: "POST" }),
            (None, Some(_)) => Err(RouteError::MethodNotAllowed { allow: READING }),
            (None, None) if ledger && path.is("generation") => own(SelfService::Generation),
            (None, None) => match SelfService::ACCOUNT.into_iter().find(|question| path.is(question.path())) {
                Some(question) => own(question),
                None => match path.video() {
                    None => Err(RouteError::NotExposed),
                    Some(_) if !reading => Err(RouteError::MethodNotAllowed { allow: READING }),
                    Some(_) if !ledger => Err(RouteError::NeedsLedger),
                    Some(video) => Ok(Self::Video(video)),
                },
            },
        }
    }

    /// Returns the error format for a path, exposed or not: Anthropic's for `messages` endpoints, also where only the base
    /// URL is wrong, else OpenAI's.
    pub fn dialect_of(raw_path: &str) -> Dialect {
        let mut anthropic = INFERENCE.iter().filter(|endpoint| endpoint.dialect == Dialect::Anthropic);
        let messages = match path::Path::parse(raw_path) {
            Some(path) if anthropic.clone().any(|endpoint| path.is(endpoint.path)) => true,
            _ => {
                let (_, rest) = path::normalised(raw_path);
                anthropic.any(|endpoint| endpoint.path == rest)
            }
        };
        if messages { Dialect::Anthropic } else { Dialect::OpenAi }
    }

    /// Returns the name in metrics and logs; one of a fixed set.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inference(endpoint) => endpoint.path,
            Self::Read(read) => read.name(),
            Self::SelfService(question) => question.path(),
            Self::Video(video) => video.name(),
        }
    }
}

#[cfg(test)]
mod tests;
