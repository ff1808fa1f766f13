//! The audit log: what operators did (docs/SPEC.md#audit-log). No I/O.
//!
//! An act is an entry of the state. It is stored in the same write as the change that it is about, so no change is
//! stored without its act.

pub mod report;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::person::Person;
use crate::state::Entry;

/// The kind of the entries in the state.
pub const KIND: &str = "act";
/// Maximum number of acts. Then the oldest are removed.
pub const MOST_ACTS: usize = 5_000;
/// Maximum number of reads among them, so that reads do not push other acts out.
pub const MOST_READS: usize = 1_000;
/// Maximum length of a detail in characters.
const LONGEST_DETAIL: usize = 1_000;

/// The kind of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Blocked a user.
    Block,
    /// Lifted the blocks of a user.
    Unblock,
    /// Set limits of a user.
    SetLimits,
    /// Returned limits of a user to what is configured.
    ResetLimits,
    /// Erased a user.
    Forget,
    /// Wrote an evidence bundle about a user.
    Case,
    /// Wrote everything that is stored about a user.
    Export,
    /// Made a key in the database.
    CreateKey,
    /// Replaced a key in the database.
    RotateKey,
    /// Ended a key in the database.
    RevokeKey,
    /// Sent a real request to OpenRouter as a test.
    LiveTest,
    /// Read about single users on the admin port.
    Read,
}

impl Verb {
    /// Returns the name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::SetLimits => "set_limits",
            Self::ResetLimits => "reset_limits",
            Self::Forget => "forget",
            Self::Case => "case",
            Self::Export => "export",
            Self::CreateKey => "create_key",
            Self::RotateKey => "rotate_key",
            Self::RevokeKey => "revoke_key",
            Self::LiveTest => "live_test",
            Self::Read => "read",
        }
    }
}

/// A row of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The time.
    pub at: Timestamp,
    /// The operator: `cli:USER`, `admin` for the admin API, or `callsign` for a suspension.
    pub by: String,
    /// The name of a [`Verb`], possibly of a later version.
    pub act: String,
    /// The user id, or the id as the operator wrote it.
    pub subject: String,
    /// The tenant: absent for any, empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Values, times and reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// True if `subject` is a digest, because the user was forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

impl Act {
    /// Creates the act of a live test of callsign, with the generation id that OpenRouter gave it.
    pub fn live_test(by: &str, person: &Person, generation: &str) -> Self {
        Self::about(Verb::LiveTest, by, person, Some(format!("generation: {generation}")))
    }

    /// Creates an act of now.
    pub fn new(verb: Verb, by: &str, subject: &str, tenant: Option<&str>, detail: Option<String>) -> Self {
        let detail = detail.filter(|detail| !detail.is_empty());
        Self {
            at: Timestamp::now(),
            by: by.to_owned(),
            act: verb.name().to_owned(),
            subject: subject.to_owned(),
            tenant: tenant.map(str::to_owned),
            detail: detail.map(|detail| detail.chars().take(LONGEST_DETAIL).collect()),
            forgotten: false,
        }
    }

    /// Creates an act of now about a person.
    pub fn about(verb: Verb, by: &str, person: &Person, detail: Option<String>) -> Self {
        Self::new(verb, by, &person.user, Some(person.tenant.as_deref().unwrap_or_default()), detail)
    }

    /// Returns true if an entry of the state is a read.
    pub(super) fn is_read(entry: &Entry) -> bool {
        // A quote within a text is escaped, so this is the member itself.
        entry.body.contains("\"act\":\"read\"")
    }

    /// Reads an entry of the state.
    pub(super) fn read(entry: &Entry) -> Option<Self> {
        serde_json::from_str(&entry.body).ok()
    }
}
