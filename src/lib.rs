//! callsign: an OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign.

pub mod admin;
pub mod caller;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod identifiers;
pub mod observe;
pub mod proxy;
pub mod relay;
pub mod rewrite;
pub mod run;
pub mod secret;
pub mod server;
pub mod standin;
pub mod upstream;
