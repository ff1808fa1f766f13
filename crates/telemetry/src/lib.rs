//! Metrics and logging of callsign.
//!
//! This crate counts and formats. It must not decide about requests, and it imports `callsign-core` only.

pub mod logging;
pub mod metrics;
