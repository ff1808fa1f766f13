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

mod context;
mod engine;
mod error;
mod handle;
mod home;
mod insert;
mod keeper;
pub mod markup;
pub mod money;
pub mod names;
mod opening;
mod pool;
pub mod query;
mod queue;
mod reader;
pub mod record;
pub mod report;
mod row;
mod since;
mod spill;
mod store;
mod sums;
mod tally;
#[cfg(test)]
mod tests;
mod writer;

pub use error::LedgerError;
pub use handle::{Committed, Entry, Ledger};
pub use keeper::Keeper;
pub use markup::Markup;
pub use money::NanoUsd;
pub use names::{AskedBy, Name, Names};
pub use reader::Reader;
pub use record::{Begun, End, Finished, Usage};
pub use since::{NoPeriod, since};
