//! Limits and blocks of callers (docs/SPEC.md#limits-and-budgets, docs/SPEC.md#blocks).
//!
//! ```text
//! request ─► gate: blocked? ─► rules: which limits? ─► memory, or one script in the shared store ─► Reservation
//!                                                                                                    │ request ends
//! keeper (worker thread): connects the store, settles, writes counters                          ◄───┘
//! ```
//!
//! A request is counted, and its estimated use reserved, before it goes upstream. At its end the estimate is replaced
//! by the actual use, without waiting; a use that is found later replaces it then. Counters are stored under digests of user ids and contain no prompts.
//! [`counters`] implements the limits in Rust, and the scripts in `redis/` implement the same rules in Redis.

pub mod acts;
mod ask;
mod auto_block;
pub mod blocks;
pub mod calendar;
mod counter_file;
pub mod counters;
mod damaged;
mod forgotten;
mod keeper;
pub mod keys;
mod limiter;
mod link;
pub mod look;
mod memory;
pub mod models;
pub mod operator_state;
pub mod orders;
pub mod overrides;
pub mod rates;
mod reads;
mod refused;
mod reservation;
mod rules;
pub mod settings;
mod shared;
mod span;
mod subject;

pub use ask::{Ask, Gauge, Message, Settlement, Spent, Standing, Used};
pub use blocks::gate::Watcher;
pub use calendar::Calendar;
pub use limiter::{Arrival, Limiter, LimiterDeps, LimitsError, Suspect};
pub use link::{Link, StoreUnavailableError};
pub use memory::Memory;
pub use refused::{LimitsRefusedError, Over};
pub use reservation::{Raiser, Reservation};
pub use rules::{Rules, Scope};
pub use span::span;
pub use subject::Subject;
