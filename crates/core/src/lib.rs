//! The rules of callsign: who is calling, which identifiers are sent, how a body is rewritten, and what a response
//! reports.
//!
//! Every function here computes its result from its arguments. The crate does no I/O and no logging, and it reads
//! neither a clock nor a random source: callers pass the time ([`auth::AuthContext::now`]), random bytes
//! ([`rewrite::multipart::Boundary::from_random`]) and random hash keys ([`fair_pool::FairPool::new`]). Other programs can use it as a library.
//!
//! ```text
//! method, path ─► endpoint::Endpoint::find ──► which fields the endpoint accepts ─┐
//! headers ──────► auth::Caller::resolve ─────► identity::Policy::identify ◄───────┘
//!                                                       │ members
//! request body ─────────────────────────────► rewrite::Rewriter ─► body for OpenRouter
//! response body ────────────────────────────► usage::reader::UsageReader ─► tokens, cost, error
//! ```
//!
//! | module | purpose | must not |
//! |---|---|---|
//! | [`endpoint`] | table of the exposed endpoints and of the identifiers that each accepts | read headers or bodies |
//! | [`auth`] | resolves the caller from a key, a token and identity headers | know formats; fetch signing keys |
//! | [`identity`] | renders a caller's identifiers by formats, valves and limits | know how the caller was authenticated |
//! | [`rewrite`] | removes reserved fields from bodies, appends members, filters headers | know where the members come from |
//! | [`usage`] | reads model, tokens, cost and errors from responses as they pass | change or delay a response |
//! | [`allowance`] | the usage limits and their values | count requests (the store crate does) |
//! | [`tenant`] | organisations whose callers share one callsign, with their policies | decide who is calling |
//! | [`secret`] | redacting type for keys, and digests to compare them by | print a secret |
//! | [`stored_key`] | what a key in the database permits | read a database |
//! | [`error_code`] | table of the codes that callsign's own error responses have | contain the errors themselves |
//! | [`request_id`] | the id of a request | read a clock or a random source |
//! | [`visible`] | recognises and escapes invisible characters | know where a text comes from |
//! | [`shed`] | the reasons for refusing a request because of load | measure load |
//! | [`fair_pool`] | a pool of units with a share per caller | wait for units |
//!
//! # Example
//!
//! From the headers of a request to the body that is sent; also runnable as
//! `cargo run -p callsign-core --example attribution`.
//!
//! ```
#![doc = include_str!("../examples/attribution.rs")]
//! ```

pub mod allowance;
pub mod auth;
pub mod endpoint;
pub mod error_code;
pub mod fair_pool;
pub mod identity;
pub mod request_id;
pub mod rewrite;
pub mod secret;
pub mod shed;
pub mod stored_key;
pub mod tenant;
pub mod usage;
pub mod visible;
