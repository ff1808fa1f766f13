//! What is written down of one request, in three parts: when it begins, when OpenRouter answers, when it ends.

use std::sync::Arc;

use uuid::Uuid;

use super::money::NanoUsd;
use super::names::{Name, Names};

/// What is known when a request goes upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// callsign's own id of the request, a version 7 UUID: the row's key.
    pub id: Uuid,
    /// Microseconds since 1970, UTC.
    pub began_us: i64,
    /// Who asks, and what is sent for them; [`Ledger::names`](super::Ledger::names) has those of earlier requests.
    pub names: Arc<Names>,
    /// The message as the source named it.
    pub message: Option<Name>,
    /// `metadata.message_id`, exactly as it goes upstream.
    pub sent_message: Option<Name>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Every byte of the answer went out.
    Complete,
    /// The client left first.
    ClientGone,
    /// The upstream broke off or fell silent.
    UpstreamCut,
    /// callsign answered by itself after the caller was known.
    Refused,
}

/// What OpenRouter said that a request took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the reply, reasoning included.
    pub completion_tokens: Option<u64>,
    /// Tokens of the prompt that were read from a cache.
    pub cached_tokens: Option<u64>,
    /// Tokens of the reply that were spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// What OpenRouter charged.
    pub cost: Option<NanoUsd>,
}

/// What is known when it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How.
    pub end: End,
    /// The status that the client got; 0 if none.
    pub status: u16,
    /// callsign's own error code, if it answered by itself, or the upstream's error type when an error came inside a 200.
    pub error: Option<Name>,
    /// The model that answered.
    pub model: Option<Name>,
    /// The provider that answered.
    pub provider: Option<Name>,
    /// `X-Generation-Id`, or the answer's own `id` where it begins with `gen-`.
    pub generation: Option<Name>,
    /// What it took.
    pub usage: Usage,
    /// Bytes of the request's body as announced.
    pub request_bytes: u64,
    /// Bytes of the answer's body that were relayed.
    pub response_bytes: u64,
    /// Microseconds from the request's head to the answer's.
    pub first_byte_us: Option<u64>,
    /// Microseconds from the request's head to its end.
    pub duration_us: u64,
}
