//! The state that operators change while callsign runs, and that all nodes obey (docs/SPEC.md#state-location).
//!
//! ```text
//! change ─► Entries (memory, in force at once) ◄─ merge ─► place: PostgreSQL | Redis | state.db
//! ```
//!
//! Each change is an entry with a random id. An entry never changes, except that it can be lifted, and lifting is final.
//! Two lists merge by union: an entry that is in either list is in the result, and is lifted if either list says so. No
//! clock takes part, so a wrong clock cannot lose an entry, and lifting affects only entries that were known when it
//! happened. Every server has all entries in memory and gives a place back what it has lost.
//!
//! | module | purpose |
//! |---|---|
//! | [`entries`] | the entries in memory, and their merge |
//! | [`store`] | the places of one configuration, and the exchange with them |
//! | [`mark`] | versions of places, and the servers and commands that use them |
//! | `place` | one place, whatever its kind |
//! | `sql`, `redis_place` | places in SQLite and PostgreSQL, and in Redis |
//! | [`counters`] | counters of limits in `state.db` |
//! | [`lock`] | one process per data directory |
//! | `witness` | the number of the latest version of `state.db`, apart from it |

pub mod counters;
pub mod entries;
pub mod error;
pub mod lock;
pub mod mark;
mod place;
mod redis_place;
mod sql;
pub mod store;
mod witness;

pub use entries::{Entries, Entry};
pub use error::StateError;
pub use lock::DirectoryLock;
pub use mark::{Access, Mark, Node};
pub(crate) use sql::{file, latest_schema};
pub use store::{StateStore, Synced};
pub(crate) use witness::{file as version_file, latest as latest_version, set as set_version};
