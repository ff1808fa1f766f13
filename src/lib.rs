//! callsign: an OpenAI-compatible reverse proxy that puts its caller's identifier on every OpenRouter request.
//!
//! An app points its base URL at callsign. callsign authenticates the caller, removes every identifier that the client
//! put in, writes those that the operator's valves allow, and relays OpenRouter's answer byte for byte.
//!
//! This is the root package: the command line, the configuration, and the code that puts the crates together. The
//! crates form one direction, which the compiler keeps:
//!
//! ```text
//! callsign-core ◄─ callsign-telemetry ◄─ callsign-store ◄─ callsign-gateway ◄─ callsign (this package)
//!                                               ▲───────── callsign-console ◄──┘      mock-openrouter ◄─┘
//! ```
//!
//! | crate | is for |
//! |---|---|
//! | `callsign-core` | the rules: who is calling, what is written for them, how a body is rewritten; no I/O |
//! | `callsign-telemetry` | metrics and log lines |
//! | `callsign-store` | what lives on disk or in a shared database: ledger, limits and blocks, archive |
//! | `callsign-gateway` | the request path: server, pipeline, upstream, relay |
//! | `callsign-console` | the admin port: API and console |
//! | `mock-openrouter` | an OpenRouter for `--demo`, `check` and the tests |
//!
//! | module | is for | must not |
//! |---|---|---|
//! | `accounts` | asks OpenRouter for the ids of the operator's accounts | print an id |
//! | [`cli`] | the command line, one file per command | decide anything about a request |
//! | [`config`] | the table of settings, the layers, one file per concern | read the process's environment itself |
//! | `data_dir` | tells if the data directory can be used | change it |
//! | `reconcile` | looks up costs that did not arrive | serve callers |
//! | [`reload`] | puts a changed configuration in force | touch running requests |
//! | [`run`] | starts callsign: opens the stores, binds the ports | parse settings |
//! | `selftest` | sends a request full of false claims through a running copy into the mock, for `check` and `test-mapping` | write to ledger, limits or archive |
//! | [`terminal`] | the standard output and error of the commands | change what a file or pipe gets |
//!
//! Read `docs/CODE_TOUR.md` first: it follows one request file by file. The pipeline is `Proxy::respond` in
//! `crates/gateway/src/proxy.rs`. `docs/SPEC.md` is the specification.

mod accounts;
pub mod cli;
pub mod config;
mod data_dir;
mod json_members;
mod reconcile;
pub mod reload;
pub mod run;
mod selftest;
pub mod terminal;
