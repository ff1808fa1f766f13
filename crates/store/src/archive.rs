//! The archive: one encrypted file per request, as evidence for a provider's abuse report.
//!
//! ```text
//! request path                              worker threads                                             operator
//! Archive::begin → Recording ─ queue ─► zip, deflate, AES-256 ─► temporary file ─► fsync  ◄─ reader (list, verify)
//!   records both bodies                                                └─► final name      ◄─ retention, forget
//! ```
//!
//! The request path buffers bodies within a memory budget and does not wait for the disk. A request that does not fit
//! is counted and not archived. Entries are encrypted before they are written, so no clear text reaches the disk. The
//! archive must not contain credentials (`header_snapshot.rs` redacts them) or write outside its directory (`path.rs`).

mod body_recorder;
mod budget;
mod error;
mod forget;
mod handle;
mod header_snapshot;
mod meta;
pub mod path;
mod queue;
pub mod reader;
mod record;
mod retention;
mod selection;
pub mod settings;
#[cfg(test)]
mod tests;
mod walk;
mod worker;
mod write;
mod zip;

pub use body_recorder::BodyRecorder;
pub use error::{ArchiveError, ArchiveUnavailableError};
pub use forget::{Forgotten, forget, forget_person};
pub use handle::{Archive, Recording};
pub use header_snapshot::{HeaderSnapshot, Redaction};
pub use meta::Meta;
pub use record::{Begun, Finished};
pub use retention::{Swept, sweep};
pub use selection::Selection;
pub use zip::EncryptedZip;
