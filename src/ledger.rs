//! The ledger: one durable row per inference request: who asked, what was sent for them, what it cost, how it ended.
//!
//! ```text
//! request path                        writer (a thread of its own)                answers
//! Ledger::begin → Entry ─ queue ─► batch ─► Store (SQLite | PostgreSQL) ◄─ Reader (usage, whois, pages)
//!                  │ answered, finish   └─► spill file, when the store does not take it
//! ```
//!
//! The request path hands over and never waits for a disk or a database; only `strict` mode lets the *end* of an answer
//! wait for its row. Never in here: prompts, replies, credentials.

pub mod money;
pub mod query;
pub mod record;

pub use money::{Markup, NanoUsd};
pub use record::{Begun, End, Finished, SentIds, Usage};
