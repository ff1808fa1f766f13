//! The archive: one encrypted file per request, for the day when a provider reports abuse.
//!
//! ```text
//! request path                              workers (threads of their own)                 the operator
//! Archive::begin → Recording ─ queue ─► zip, deflate, AES-256 ─► temporary name ─► fsync   ◄─ reader (list, show, verify)
//!   tapes of what leaves and passes                                    └─► final name       ◄─ retention, forget
//! ```
//!
//! The request path keeps references to what passes anyway, within a budget of memory, and never waits: what finds no room
//! is counted and not archived. Nothing is ever on a disk in clear text. Never in here: credentials; a file outside of the
//! archive's own directory.

mod budget;
mod error;
mod flat;
mod forget;
mod handle;
mod meta;
pub mod path;
mod queue;
pub mod reader;
mod record;
mod retention;
mod selection;
mod tape;
#[cfg(test)]
mod tests;
mod walk;
mod worker;
mod write;
mod zip;

pub use error::{ArchiveError, Unavailable};
pub use flat::{Flat, Redaction};
pub use forget::{Forgotten, forget, forget_person};
pub use handle::{Archive, Recording};
pub use meta::Meta;
pub use record::{Begun, Finished};
pub use retention::{Swept, sweep};
pub use selection::Selection;
pub use tape::Tape;
