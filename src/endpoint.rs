//! The table of what callsign exposes (contract, section 3, "Endpoints"): path → dialect, fields written, body kind.
//!
//! Everything that is not in the table is the operator's account and answers 404. This file decides only by method and
//! path; it must not look at headers or bodies.

pub mod path;

use http::Method;

pub use path::Reads;

/// Whose error shape a caller expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"error":{"message","type","param","code"}}`.
    OpenAi,
    /// `{"type":"error","error":{"type","message"}}`.
    Anthropic,
}

/// Where a request carries its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// As the body's `session_id`.
    Body,
    /// As the header `x-session-id`; such endpoints know no body field (OpenRouter docs, "Grouping requests across
    /// modalities").
    Header,
}

/// Which metadata an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// None at all.
    None,
    /// The map of up to sixteen pairs.
    Full,
    /// `{"user_id": …}` alone, as OpenRouter's `MessagesRequestMetadata` allows.
    UserOnly,
}

/// Which identifiers an endpoint's requests may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The body's `user`.
    pub user: bool,
    /// Where the session goes.
    pub session: Session,
    /// What of the metadata goes into the body.
    pub metadata: Metadata,
    /// The body's `trace`.
    pub trace: bool,
    /// The body's `safety_identifier`, equal to `user`.
    pub safety_identifier: bool,
}

/// A POST endpoint, whose body is rewritten.
#[derive(Debug, PartialEq, Eq)]
pub struct Inference {
    /// Its path behind `/v1/`; also its name in metrics and logs.
    pub path: &'static str,
    /// Its error shape.
    pub dialect: Dialect,
    /// What its requests may carry.
    pub fields: Fields,
    /// Whether a `prompt_cache_key` means something here, so that a bound one is written back.
    pub cache_key: bool,
    /// Whether its body may be a multipart form too.
    pub form: bool,
    /// Query parameters that go along; all others stay here.
    pub query: &'static [&'static str],
}

impl Inference {
    /// The endpoint of this name: a path of the table, with or without `/v1/`, or a short name as `chat` or `speech`.
    ///
    /// # Errors
    /// Lists the names that there are.
    pub fn named(name: &str) -> Result<&'static Self, String> {
        let path = name.trim_start_matches('/').trim_start_matches("api/").trim_start_matches("v1/");
        let path = if path == "chat" { "chat/completions" } else { path };
        let last = |endpoint: &&Self| endpoint.path.rsplit('/').next() == Some(path);
        let exact = INFERENCE.iter().find(|endpoint| endpoint.path == path);
        exact.or_else(|| INFERENCE.iter().find(last)).ok_or_else(|| {
            let paths: Vec<_> = INFERENCE.iter().map(|endpoint| endpoint.path).collect();
            format!("there are chat, {}", paths.join(", "))
        })
    }
}

const CHAT: Fields =
    Fields { user: true, session: Session::Body, metadata: Metadata::Full, trace: true, safety_identifier: false };
const RESPONSES: Fields = Fields { safety_identifier: true, ..CHAT };
const MESSAGES: Fields = Fields { metadata: Metadata::UserOnly, ..CHAT };
const HEADER_ONLY: Fields =
    Fields { user: false, session: Session::Header, metadata: Metadata::None, trace: false, safety_identifier: false };
const EMBEDDINGS: Fields = Fields { user: true, ..HEADER_ONLY };

const fn openai(path: &'static str, fields: Fields, cache_key: bool) -> Inference {
    Inference { path, dialect: Dialect::OpenAi, fields, cache_key, form: false, query: &[] }
}

const fn anthropic(path: &'static str) -> Inference {
    // The Anthropic SDKs add `?beta=true`.
    Inference { path, dialect: Dialect::Anthropic, fields: MESSAGES, cache_key: true, form: false, query: &["beta"] }
}

/// The POST half of the contract's table.
pub static INFERENCE: [Inference; 11] = [
    openai("chat/completions", CHAT, true),
    openai("completions", CHAT, true),
    openai("responses", RESPONSES, true),
    anthropic("messages"),
    anthropic("messages/count_tokens"),
    openai("embeddings", EMBEDDINGS, false),
    openai("rerank", HEADER_ONLY, false),
    openai("images", HEADER_ONLY, false),
    openai("images/generations", HEADER_ONLY, false),
    openai("audio/speech", HEADER_ONLY, false),
    Inference { form: true, ..openai("audio/transcriptions", HEADER_ONLY, false) },
];

/// Top-level body members that never pass, compared as `rewrite` compares names (contract, section 3, "Endpoints").
/// `prompt_cache_key` follows its own setting.
pub const REMOVED: [&str; 8] =
    ["user", "session_id", "metadata", "safety_identifier", "trace", "client_metadata", "callback_url", "__proto__"];

/// The methods of whatever is read.
const READING: &str = "GET, HEAD";

/// What a method and a path lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A POST whose body is rewritten.
    Inference(&'static Inference),
    /// A GET or HEAD of OpenRouter's public catalogue, passed on under this path.
    Read(Reads),
    /// A GET or HEAD of what concerns nobody but the caller.
    Own(Own),
}

/// What a caller can ask about themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// `/callsign/v1/me`: their identifiers and what they have used. callsign answers.
    Me,
    /// `generation?id=…`: OpenRouter's record of a generation, if it is theirs. Needs the ledger, which knows whose it is.
    Generation,
}

/// Why a request leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The path is not in the table.
    #[error(
        "this path is not exposed; callsign serves inference and the model catalogue under /v1 (see its documentation)"
    )]
    NotExposed,
    /// The path is, with another method.
    #[error("this path takes {allow}")]
    MethodNotAllowed {
        /// The value of the `allow` header.
        allow: &'static str,
    },
    /// A WebSocket handshake for the Responses API, which OpenRouter does not speak.
    #[error("WebSocket is not supported here; send POST to this path instead")]
    WebSocket,
}

impl Endpoint {
    /// Looks a request up. `upgrade` tells whether it asks for a WebSocket, `ledger` whether it is known whose generation
    /// is whose.
    ///
    /// # Errors
    /// [`NoEndpoint`] says which of 404, 405 and 426 answers.
    pub fn find(method: &Method, raw_path: &str, upgrade: bool, ledger: bool) -> Result<Self, NoEndpoint> {
        let reading = method == Method::GET || method == Method::HEAD;
        let own = |own| if reading { Ok(Self::Own(own)) } else { Err(NoEndpoint::MethodNotAllowed { allow: READING }) };
        if path::is_me(raw_path) {
            return own(Own::Me);
        }
        let path = path::Path::parse(raw_path).ok_or(NoEndpoint::NotExposed)?;
        let inference = INFERENCE.iter().find(|endpoint| path.is(endpoint.path));
        if let Some(endpoint) = inference
            && method == Method::POST
        {
            return Ok(Self::Inference(endpoint));
        }
        match (inference, path.reads()) {
            (Some(endpoint), _) if upgrade && method == Method::GET && endpoint.path == "responses" => {
                Err(NoEndpoint::WebSocket)
            }
            (_, Some(read)) if reading => Ok(Self::Read(read)),
            (Some(_), _) => Err(NoEndpoint::MethodNotAllowed { allow: "POST" }),
            (None, Some(_)) => Err(NoEndpoint::MethodNotAllowed { allow: READING }),
            (None, None) if ledger && path.is("generation") => own(Own::Generation),
            (None, None) => Err(NoEndpoint::NotExposed),
        }
    }

    /// The dialect of errors about a path, known or not: Anthropic's under `messages`, OpenAI's elsewhere.
    pub fn dialect_of(raw_path: &str) -> Dialect {
        let messages = path::Path::parse(raw_path)
            .is_some_and(|path| INFERENCE.iter().any(|e| e.dialect == Dialect::Anthropic && path.is(e.path)));
        if messages { Dialect::Anthropic } else { Dialect::OpenAi }
    }

    /// Its name in metrics and log lines; one of a fixed set.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inference(endpoint) => endpoint.path,
            Self::Read(read) => read.name(),
            Self::Own(Own::Me) => "me",
            Self::Own(Own::Generation) => "generation",
        }
    }
}

#[cfg(test)]
mod tests;
