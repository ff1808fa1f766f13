//! The data of one request: [`Begun`] at its start and [`Finished`] at its end.

use std::sync::Arc;

use uuid::Uuid;

use super::names::{Name, Names};
use callsign_core::usage::Usage;

/// Data that is known when a request goes upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// callsign's id of the request, a version 7 UUID. It is the row's primary key.
    pub id: Uuid,
    /// Microseconds since 1970, UTC.
    pub began_us: i64,
    /// Caller and identifiers, shared between requests by [`Ledger::names`](super::Ledger::names).
    pub names: Arc<Names>,
    /// The message id as the caller states it.
    pub message: Option<Name>,
    /// `metadata.message_id` as sent upstream.
    pub sent_message: Option<Name>,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The whole response was sent.
    Complete,
    /// The client closed the connection.
    ClientGone,
    /// The upstream closed the connection or stopped sending.
    UpstreamCut,
    /// callsign answered the request itself, after authentication.
    Refused,
}

/// Data that is known at the end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The outcome.
    pub end: End,
    /// The HTTP status that the client received; 0 if none.
    pub status: u16,
    /// callsign's error code, or the upstream's error type if a response with status 200 contained an error.
    pub error: Option<Name>,
    /// The model that answered.
    pub model: Option<Name>,
    /// The provider that answered.
    pub provider: Option<Name>,
    /// `X-Generation-Id`, or the response's `id` if it begins with `gen-`.
    pub generation: Option<Name>,
    /// Tokens and cost.
    pub usage: Usage,
    /// Length of the request's body in bytes, as announced.
    pub request_bytes: u64,
    /// Bytes of the response's body that were relayed.
    pub response_bytes: u64,
    /// Microseconds from the request's head to the response's head.
    pub first_byte_us: Option<u64>,
    /// Microseconds from the request's head to the end of the response.
    pub duration_us: u64,
}
