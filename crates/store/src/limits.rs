//! Limits and blocks: how much each caller may use, and who may use nothing at all (contract, section 6).
//!
//! ```text
//! request ─► gate: stopped? ─► rules: which limits? ─► memory, or one script in the shared store ─► Reservation
//!                                                                                                    │ end of the request
//! keeper (a thread of its own): dials the store, tells it ends, writes counters, watches blocks  ◄───┘
//! ```
//!
//! A request is counted, and its estimate reserved, before anything of it leaves; what it really took is exchanged for that
//! at its end, which waits for nothing. It never knows a prompt, and names nobody where it counts. [`counters`] says what the
//! limits mean; the scripts beside it say the same to Redis.

pub mod blocks;
mod auto_block;
mod calendar;
pub mod counters;
mod journal;
mod keeper;
mod limiter;
mod link;
pub mod look;
mod memory;
mod refused;
mod rules;
pub mod settings;
mod subject;

pub use blocks::gate::Watcher;
pub use counters::{Ask, Gauge, Settlement, Standing};
pub use limiter::{Limiter, LimitsError, Reservation, Suspect};
pub use link::{Link, StoreUnavailableError};
pub use memory::Memory;
pub use refused::{Over, Refused, span};
pub use rules::Rules;
pub use subject::Subject;
