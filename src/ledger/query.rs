//! What can be asked of the ledger, and the shapes of the answers (contract, section 6).

use jiff::Timestamp;

use super::money::NanoUsd;

/// What usage is summed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The internal user id.
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

/// One line of `usage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// What the line is for; `None` for requests without one (nobody named, no tenant, no model).
    pub key: Option<String>,
    /// The tenant; with `By::User` and `By::App` a part of what the line is for.
    pub tenant: Option<String>,
    /// The identifier that was sent last for this user (`By::User` only).
    pub external_user_id: Option<String>,
    /// All that were sent upstream, also those that failed there.
    pub requests: u64,
    /// Those with a status of 400 or more, an error inside a 200, or cut by the upstream.
    pub errors: u64,
    /// See `Usage`.
    pub prompt_tokens: u64,
    /// See `Usage`.
    pub completion_tokens: u64,
    /// See `Usage`.
    pub cached_tokens: u64,
    /// See `Usage`.
    pub reasoning_tokens: u64,
    /// What OpenRouter charged.
    pub cost: NanoUsd,
    /// What the operator charges: the cost times the tenant's markup.
    pub charged: NanoUsd,
    /// Sum of times to first byte in microseconds, and how many had one.
    pub first_byte_us: u64,
    /// See `first_byte_us`.
    pub first_bytes: u64,
    /// When the latest began.
    pub last_seen: Option<Timestamp>,
}

/// What kind of identifier was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `user` as sent, or an internal user id.
    User,
    /// `session_id` as sent, or an internal session.
    Session,
    /// `metadata.chat_id` as sent, or an internal chat.
    Chat,
    /// `metadata.message_id` as sent, or an internal message.
    Message,
    /// OpenRouter's generation id.
    Generation,
    /// `sha256(ORG_ID-user)`, the form that a provider may report.
    Upstream,
    /// A `seal` opened with the secret alone.
    Sealed,
}

/// One caller behind an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was recognised.
    pub kind: Kind,
    /// As it was asked for.
    pub identifier: String,
    /// The internal user id.
    pub user: Option<String>,
    /// The key's name.
    pub key: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// When it was first sent.
    pub first_seen: Option<Timestamp>,
    /// When it was last sent.
    pub last_seen: Option<Timestamp>,
    /// How many requests carried it.
    pub requests: u64,
}

/// Two users whose identifier as sent is one and the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    /// The identifier.
    pub external_user_id: String,
    /// The tenant and user of each.
    pub users: Vec<(Option<String>, String)>,
}

/// How one user is known outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The tenant.
    pub tenant: Option<String>,
    /// The internal user id.
    pub user: String,
    /// The latest identifier sent; `None` if it was left out.
    pub external_user_id: Option<String>,
    /// When first seen.
    pub first_seen: Timestamp,
    /// When last seen.
    pub last_seen: Timestamp,
    /// How many requests.
    pub requests: u64,
}
