//! Limits and blocks of callers (docs/SPEC.md#limits-and-budgets, docs/SPEC.md#blocks).
//!
//! ```text
//! request ─► gate: blocked? ─► rules: which limits? ─► memory, or one script in the shared store ─► Reservation
//!                                                                                                    │ request ends
//! keeper (worker thread): connects the store, settles, writes counters, polls blocks            ◄───┘
//! ```
//!
//! A request is counted, and its estimated use reserved, before it goes upstream. At its end the estimate is replaced
//! by the actual use, without waiting; a use that is found later replaces it then. Counters are stored under digests of user ids and contain no prompts.
//! [`counters`] implements the limits in Rust, and the scripts in `redis/` implement the same rules in Redis.

mod auto_block;
pub mod blocks;
mod calendar;
pub mod counters;
mod journal;
mod keeper;
mod limiter;
mod link;
pub mod look;
mod memory;
mod reads;
mod refused;
mod rules;
pub mod settings;
mod shared;
mod subject;

pub use blocks::gate::Watcher;
pub use counters::{Ask, Gauge, Settlement, Standing, Used};
pub use limiter::{Limiter, LimitsError, Reservation, Suspect};
pub use link::{Link, StoreUnavailableError};
pub use memory::Memory;
pub use refused::{LimitsRefusedError, Over, span};
pub use rules::Rules;
pub use subject::Subject;
