//! What the operator can see of callsign at work: one log line per request, the metrics, and the self-audit.
//!
//! Never here: raw paths, queries, hosts, user ids, prompts, credentials.

pub mod account;
pub mod audit;
pub mod logging;
pub mod metrics;
mod row;
mod use_of_limits;
mod watch;

pub use account::{Account, Outcome};
pub use metrics::Metrics;
