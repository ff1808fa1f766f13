//! The ledger: one durable row per inference request with its caller, the identifiers sent, cost and outcome.
//!
//! ```text
//! request path                        writer thread                               queries
//! Ledger::begin → Entry ─ queue ─► batch ─► Store (SQLite | PostgreSQL) ◄─ Reader (usage, whois, pages)
//!                  │ answered, finish   └─► ledger-spill.db, when the store does not take it
//! ```
//!
//! The request path queues rows and does not wait for disk or database. Only in `strict` mode the end of a response
//! waits for its row. The ledger must not contain prompts, replies or credentials.

pub(crate) mod digest;
pub(crate) mod engine;
pub(crate) mod error;
mod grain;
mod handle;
pub(crate) mod home;
mod increments;
mod insert;
mod keeper;
mod opening;
mod placed;
mod pool;
pub mod query;
mod queue;
mod reader;
pub mod record;
pub mod report;
mod row;
pub mod settings;
mod since;
mod speed;
mod spill;
mod store;
mod sums;
#[cfg(test)]
mod tests;
mod user_index;
mod writer;

pub use error::LedgerError;
pub(crate) use home::{is_in_use, make as make_directory};
pub(crate) use opening::spill_file;
pub(crate) use store::latest_schema;

pub use handle::{Committed, Entry, Ledger};
pub use keeper::Keeper;
pub use reader::Reader;
pub use record::{Begun, Finished, Name, RequestLabels, SentIds};
pub use since::{PeriodError, duration, since};
