//! What can be asked of the ledger, and the shapes of the answers (contract, section 6).

use jiff::Timestamp;
use uuid::Uuid;

use super::money::NanoUsd;
use super::record::Usage;

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

/// Which requests are asked about; everything by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that began at this time or later. Sums are kept by the hour: cut to the full hour (UTC).
    pub since: Option<Timestamp>,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only this user's. Take `tenant` along: an id lives in its tenant.
    pub user: Option<String>,
    /// Only those of the key of this name.
    pub key: Option<String>,
}

/// The width of a step of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

/// What a series is split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Nothing: one point for each step.
    None,
    /// The model that answered.
    Model,
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// When the step begins.
    pub at: Timestamp,
    /// The sums; `key` is the model, if split by it.
    pub sums: UsageRow,
}

/// Times to first byte of one user with one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The tenant.
    pub tenant: Option<String>,
    /// The internal user id.
    pub user: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Sum of times to first byte in microseconds, and how many had one.
    pub first_byte_us: u64,
    /// See `first_byte_us`.
    pub first_bytes: u64,
}

/// How often one kind of error occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// callsign's own code, the upstream's error type, `upstream_cut`, or `status_NNN`.
    pub kind: String,
    /// How many requests ended so.
    pub requests: u64,
}

/// Counts over all users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Users seen.
    pub users: u64,
    /// Those whose latest request carried an identifier.
    pub mapped: u64,
    /// Those whose latest request carried none.
    pub unmapped: u64,
    /// Different identifiers sent for users.
    pub distinct: u64,
    /// Identifiers that stand for more than one user of a tenant.
    pub collisions: Vec<Collision>,
}

/// Who made a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The tenant.
    pub tenant: Option<String>,
    /// The key's name.
    pub key: String,
    /// The internal user id.
    pub user: Option<String>,
}

/// A request whose cost never came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// The request.
    pub id: Uuid,
    /// OpenRouter's generation to ask for.
    pub generation: String,
    /// The tenant, whose OpenRouter key can ask.
    pub tenant: Option<String>,
    /// The name of the key that let the caller in.
    pub key: String,
    /// When it began.
    pub began: Timestamp,
}

/// Where a walk over rows goes on; can be written down as text and read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(pub Uuid);

/// What a generation record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens and cost.
    pub usage: Usage,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Rows that lost their names.
    pub requests: u64,
    /// Identifiers that are gone.
    pub identifiers: u64,
}
