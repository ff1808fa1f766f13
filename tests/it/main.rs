//! The integration tests: one binary, one file for each capability, real sockets, no network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod admin;
mod answers;
mod archive;
mod attribution;
mod audit;
mod blocks;
mod bodies;
mod chaos;
mod check;
mod cli;
mod corpora;
mod deploy;
mod disconnects;
mod docs;
mod edges;
mod evidence;
mod faults;
mod fidelity;
mod identity;
mod json_suite;
mod limits;
mod memory;
mod metrics;
mod mock_openrouter;
mod operator_key;
mod own;
mod readiness;
mod reconcile;
mod recorded;
mod refusals;
mod reload;
mod request_id;
mod route;
mod secrets;
mod serve;
mod shedding;
mod snippets;
mod structure;
mod support;
mod tenants;
mod tokens;
mod tools;
mod usage_reader;
mod whois;
