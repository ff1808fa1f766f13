//! Metrics and logging of callsign.
//!
//! This crate counts and formats. It must not decide about requests, and it imports `callsign-core` only.
//!
//! | module | purpose | must not |
//! |---|---|---|
//! | [`metrics`] | the counters behind `/metrics`, in the OpenMetrics text format | use a user, a key or a model as a label |
//! | [`health`] | the problems that `/readyz` lists as `degraded` | decide if callsign is ready |
//! | [`throttle`] | limits how often an event is logged | |
//! | [`logging`] | one line per event; `Untrusted` for strings from outside | log prompts or credentials |

pub mod alerts;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod throttle;
