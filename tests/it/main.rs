//! The integration tests: one binary, one file for each capability, real sockets, no network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod admin;
mod answers;
mod audit;
mod bodies;
mod chaos;
mod check;
mod cli;
mod corpora;
mod disconnects;
mod edges;
mod faults;
mod fidelity;
mod identity;
mod json_suite;
mod ledger;
mod memory;
mod metrics;
mod own;
mod recorded;
mod refusals;
mod reload;
mod route;
mod secrets;
mod serve;
mod shedding;
mod standin;
mod support;
mod tap;
mod tenants;
mod tokens;
mod tools;
