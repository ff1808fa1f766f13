//! The rules of callsign: caller authentication, identifiers, body rewriting and usage. This crate does no I/O.
pub mod allowance;
pub mod auth;
pub mod endpoint;
pub mod identity;
pub mod rewrite;
pub mod secret;
pub mod shed;
pub mod tenant;
pub mod usage;
