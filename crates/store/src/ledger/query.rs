//! Queries of the ledger and their results (docs/SPEC.md#usage, docs/SPEC.md#whois).

use jiff::Timestamp;
use uuid::Uuid;

use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;

/// The grouping of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The user id as the caller states it.
    #[default]
    User,
    /// The model that answered.
    Model,
    /// The day, UTC.
    Day,
    /// The key's name (an app's, or a person's).
    App,
    /// The tenant.
    Tenant,
}

/// One row of `usage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The value of the grouping; `None` for requests without one (no user, tenant or model).
    pub key: Option<String>,
    /// The tenant; part of the grouping with `By::User` and `By::App`.
    pub tenant: Option<String>,
    /// The latest identifier that was sent for this user (`By::User` only).
    pub external_user_id: Option<String>,
    /// Requests that were sent upstream, including failed ones.
    pub requests: u64,
    /// Requests with a status of 400 or more, an error inside a 200, or a connection cut by the upstream.
    pub errors: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Completion tokens.
    pub completion_tokens: u64,
    /// Prompt tokens that were read from a cache.
    pub cached_tokens: u64,
    /// Completion tokens that were spent on reasoning.
    pub reasoning_tokens: u64,
    /// The amount that OpenRouter charged.
    pub cost: NanoUsd,
    /// The amount that the operator charges: cost times the tenant's markup.
    pub charged: NanoUsd,
    /// Sum of the times to the first byte, in microseconds.
    pub first_byte_us: u64,
    /// Number of requests in `first_byte_us`.
    pub first_bytes: u64,
    /// Start of the latest request.
    pub last_seen: Option<Timestamp>,
}

/// The kind of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The user, as sent or as stated.
    User,
    /// The session, as sent (`session_id`) or as stated.
    Session,
    /// The chat, as sent (`metadata.chat_id`) or as stated.
    Chat,
    /// The message, as sent (`metadata.message_id`) or as stated.
    Message,
    /// OpenRouter's generation id.
    Generation,
    /// `sha256(ORG_ID-user)`, the form that a provider may report.
    Upstream,
    /// A `seal` that was decrypted with the secret.
    Sealed,
}

/// A user of an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The identifier's kind.
    pub kind: Kind,
    /// The identifier as queried.
    pub identifier: String,
    /// The user id as the caller states it.
    pub user: Option<String>,
    /// The key's name.
    pub key: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// Time of the first request with it.
    pub first_seen: Option<Timestamp>,
    /// Time of the latest request with it.
    pub last_seen: Option<Timestamp>,
    /// Number of requests with it.
    pub requests: u64,
}

/// Several users whose sent identifier is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    /// The identifier.
    pub external_user_id: String,
    /// Tenant and user id of each.
    pub users: Vec<(Option<String>, String)>,
}

/// The identifier that is sent for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The tenant.
    pub tenant: Option<String>,
    /// The user id as the caller states it.
    pub user: String,
    /// The latest identifier sent; `None` if it was omitted.
    pub external_user_id: Option<String>,
    /// Time of the user's first request.
    pub first_seen: Timestamp,
    /// Time of the user's latest request.
    pub last_seen: Timestamp,
    /// Number of requests.
    pub requests: u64,
}

/// Selects requests. The default selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only requests that began at this time or later, rounded down to the full hour (UTC), because sums are kept by
    /// the hour.
    pub since: Option<Timestamp>,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only this user's. Set `tenant` as well, because a user id is unique only within its tenant.
    pub user: Option<String>,
    /// Only this key's, by name.
    pub key: Option<String>,
}

/// The step width of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

/// The split of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// No split: one point for each step.
    None,
    /// The model that answered.
    Model,
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Start of the step.
    pub at: Timestamp,
    /// The sums. `key` is the model if the series is split by it.
    pub sums: UsageRow,
}

/// Times to the first byte of one user with one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The tenant.
    pub tenant: Option<String>,
    /// The user id as the caller states it.
    pub user: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Sum of the times to the first byte, in microseconds.
    pub first_byte_us: u64,
    /// Number of requests in `first_byte_us`.
    pub first_bytes: u64,
}

/// The number of errors of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// callsign's error code, the upstream's error type, `upstream_cut`, or `status_NNN`.
    pub kind: String,
    /// Number of requests.
    pub requests: u64,
}

/// Counts over all users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Number of users.
    pub users: u64,
    /// Users whose latest request carried an identifier.
    pub mapped: u64,
    /// Users whose latest request carried none.
    pub unmapped: u64,
    /// Number of different identifiers sent for users.
    pub distinct: u64,
    /// Identifiers that several users of a tenant share.
    pub collisions: Vec<Collision>,
}

/// The caller of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The tenant.
    pub tenant: Option<String>,
    /// The key's name.
    pub key: String,
    /// The user id as the caller states it.
    pub user: Option<String>,
}

/// A finished request without a cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// The request.
    pub id: Uuid,
    /// OpenRouter's generation id.
    pub generation: String,
    /// The tenant. Its OpenRouter key can read the generation record.
    pub tenant: Option<String>,
    /// The name of the key that authenticated the caller.
    pub key: String,
    /// Start of the request.
    pub began: Timestamp,
}

/// The position of a walk over rows. Can be formatted as text and parsed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(pub Uuid);

/// The data of a generation record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens and cost.
    pub usage: Usage,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
}

/// The result of forgetting a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Rows whose names were erased.
    pub requests: u64,
    /// Identifiers that were erased.
    pub identifiers: u64,
}
