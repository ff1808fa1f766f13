//! The integration tests: one binary, one file for each capability, real sockets, no network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chaos;
mod check;
mod cli;
mod disconnects;
mod edges;
mod faults;
mod fidelity;
mod identity;
mod memory;
mod refusals;
mod reload;
mod route;
mod serve;
mod standin;
mod support;
mod tenants;
mod tokens;
