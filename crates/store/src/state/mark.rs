//! The version of a place's entries, and the servers and commands that use it.

use std::time::Duration;

/// The version of a place's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Incremented with every change. It goes back when the place goes back to an older copy.
    pub number: i64,
    /// Random, so that a place that went back and was changed again differs from what it was.
    pub token: String,
}

/// A running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its random id.
    pub node: String,
    /// Its name for people.
    pub name: String,
    /// The number of the version that it has applied.
    pub applied: i64,
    /// The time since its last sign of life.
    pub age: Duration,
}

/// The result of a write: the token of the version before it, and the version after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) before: String,
    pub(super) after: Mark,
}

/// The user of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A server. It migrates tables.
    Server,
    /// A command. It creates `state.db` if there is none, and never migrates.
    Command,
}
