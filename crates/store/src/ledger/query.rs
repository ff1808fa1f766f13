//! Queries of the ledger and their results (docs/SPEC.md#usage, docs/SPEC.md#whois).

use callsign_core::request_id::RequestId;
use jiff::Timestamp;

use super::record::{Begun, Finished, Name};
use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;

/// A grouping of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The user id as the caller states it.
    #[default]
    User,
    /// The model that answered.
    Model,
    /// The key's name (an app's, or a person's).
    Key,
    /// The provider that answered.
    Provider,
    /// The tenant.
    Tenant,
    /// The hour, UTC.
    Hour,
    /// The day, UTC.
    Day,
    /// The month, UTC.
    Month,
}

impl By {
    /// All groupings.
    pub const ALL: [Self; 8] =
        [Self::User, Self::Model, Self::Key, Self::Provider, Self::Tenant, Self::Hour, Self::Day, Self::Month];

    /// Returns true for a period of time.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Hour | Self::Day | Self::Month)
    }
}

/// One or two groupings of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// The first grouping.
    pub first: By,
    /// The second one.
    pub second: Option<By>,
}

impl From<By> for Grouping {
    fn from(first: By) -> Self {
        Self { first, second: None }
    }
}

/// Text that does not name a grouping. The message follows the name of the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes one or two different names, separated by a comma, of: {}", By::ALL.map(By::name).join(", "))]
pub struct GroupingError;

impl std::str::FromStr for Grouping {
    type Err = GroupingError;

    /// Parses one or two different names: `user`, `model,day`.
    fn from_str(text: &str) -> Result<Self, GroupingError> {
        let by = |name: &str| By::ALL.into_iter().find(|by| by.name() == name).ok_or(GroupingError);
        match text.split_once(',') {
            None => Ok(by(text)?.into()),
            Some((first, second)) => {
                let (first, second) = (by(first)?, by(second)?);
                if first == second { Err(GroupingError) } else { Ok(Self { first, second: Some(second) }) }
            }
        }
    }
}

impl Grouping {
    /// Returns the groupings in order.
    pub fn iter(self) -> impl Iterator<Item = By> {
        std::iter::once(self.first).chain(self.second)
    }

    /// Returns true if requests are grouped by this.
    pub fn has(self, by: By) -> bool {
        self.iter().any(|of| of == by)
    }
}

/// One row of `usage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The value of the first grouping; `None` for requests without one (no user, tenant, model or provider).
    pub key: Option<String>,
    /// The value of the second grouping.
    pub second: Option<String>,
    /// The tenant; part of the grouping with `By::User` and `By::Key`.
    pub tenant: Option<String>,
    /// The latest identifier that was sent for this user (`By::User` only).
    pub external_user_id: Option<String>,
    /// Requests that were sent upstream, including failed ones.
    pub requests: u64,
    /// Requests that ended in an error: a status of 400 or more, an error inside a 200, or a connection cut by the
    /// upstream.
    pub errors: u64,
    /// Requests that callsign refused.
    pub refused: u64,
    /// Requests whose cost is not known yet.
    pub pending: u64,
    /// Requests whose cost can never be found.
    pub never: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Completion tokens.
    pub completion_tokens: u64,
    /// Prompt tokens that were read from a cache.
    pub cached_tokens: u64,
    /// Prompt tokens that were written to a cache.
    pub cache_write_tokens: u64,
    /// Completion tokens that were spent on reasoning.
    pub reasoning_tokens: u64,
    /// The amount that OpenRouter charged.
    pub cost: NanoUsd,
    /// The amount that providers bill directly (bring your own key).
    pub provider_cost: NanoUsd,
    /// The amount that the operator charges: both costs times the tenant's markup.
    pub charged: NanoUsd,
    /// Start of the latest request.
    pub last_seen: Option<Timestamp>,
}

impl UsageRow {
    /// Returns both costs (docs/SPEC.md#cost).
    pub fn total_cost(&self) -> NanoUsd {
        self.cost.saturating_add(self.provider_cost)
    }

    /// Adds the figures of another row.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.refused, other.refused),
            (&mut self.pending, other.pending),
            (&mut self.never, other.never),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (sum, more) in [
            (&mut self.cost, other.cost),
            (&mut self.provider_cost, other.provider_cost),
            (&mut self.charged, other.charged),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.last_seen = self.last_seen.max(other.last_seen);
    }
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
    /// callsign's id of the request.
    Request,
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
    /// Only requests that began at this time or later. Sums round it down to the full hour (UTC).
    pub since: Option<Timestamp>,
    /// Only requests that began before this time. Sums round it up to the full hour (UTC).
    pub until: Option<Timestamp>,
    /// Only this tenant's; `""` selects callers without a tenant.
    pub tenant: Option<String>,
    /// Only this user's. Set `tenant` as well, because a user id is unique only within its tenant.
    pub user: Option<String>,
    /// Only this key's, by name.
    pub key: Option<String>,
    /// Only answers of this model.
    pub model: Option<String>,
    /// Only answers of this provider.
    pub provider: Option<String>,
    /// Only this HTTP status.
    pub status: Option<u16>,
}

impl Filter {
    /// Returns true if the filter selects people.
    pub(super) fn names_people(&self) -> bool {
        self.user.is_some() || self.key.is_some()
    }
}

/// Selects single requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Further filters of usage. Times are exact. A model also matches the requested one.
    pub common: Filter,
    /// Only requests that ended in this way, by name (docs/SPEC.md#requests).
    pub ending: Option<String>,
    /// Only this kind of error.
    pub error: Option<String>,
    /// Only requests before this one, for the next page.
    pub before: Option<RequestId>,
}

/// A request as the ledger has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRequest {
    /// The data of its beginning.
    pub begun: Begun,
    /// OpenRouter's generation id.
    pub generation: Option<Name>,
    /// The number of equal refusals of one minute that it stands for, else 1.
    pub count: u64,
    /// The data of its end; `None` while it runs.
    pub ended: Option<Finished>,
}

/// A page of requests, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestPage {
    /// The requests.
    pub requests: Vec<StoredRequest>,
    /// The position of the next page; `None` if there is none.
    pub next: Option<RequestId>,
    /// Set if the search stopped because of its time limit: everything newer has been searched.
    pub searched_back_to: Option<Timestamp>,
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

/// The requests of one row of a list in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spark {
    /// The row's name.
    pub key: Option<String>,
    /// The row's tenant, if the list tells tenants apart.
    pub tenant: Option<String>,
    /// Start of the step.
    pub at: Timestamp,
    /// Requests.
    pub requests: u64,
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Start of the step.
    pub at: Timestamp,
    /// The sums. `key` is the model if the series is split by it.
    pub sums: UsageRow,
}

/// The speed of one model at one provider. Only successful answers count.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// Number of answers.
    pub answers: u64,
    /// Average time to the answer's head in microseconds.
    pub head_us: u64,
    /// Median time to the first output in microseconds (interpolated within a class of times).
    pub p50_us: u64,
    /// 95th percentile of the time to the first output in microseconds.
    pub p95_us: u64,
    /// Completion tokens per second, from the first output to the end; `None` if no answer took time after it.
    pub tokens_per_second: Option<f64>,
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

/// A finished request whose cost is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The request.
    pub id: RequestId,
    /// OpenRouter's generation id, or the id of the job.
    pub generation: String,
    /// True for a job, whose cost OpenRouter tells when it is finished.
    pub is_job: bool,
    /// The fingerprint of the account that paid. Only its key can read the record.
    pub account: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The name of the key that authenticated the caller.
    pub key: String,
    /// The user id as the caller states it.
    pub user: Option<String>,
    /// The identifier that was sent for the user. A record that names another user is not this request's.
    pub sent_user: Option<String>,
    /// Start of the request.
    pub began: Timestamp,
}

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

/// A row that the database refused because of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// The request.
    pub id: RequestId,
    /// Time of the refusal.
    pub at: Timestamp,
    /// The database's code, as text.
    pub reason: String,
    /// The row as it is stored, without names; `None` if it is deleted.
    pub request: Option<StoredRequest>,
}

/// The result of repairing a rejected row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The row has its caller again.
    Done,
    /// No row with this id was rejected.
    NotRejected,
    /// The request was another caller's.
    OtherCaller,
    /// The row is deleted or still in flight.
    NotFinished,
}
