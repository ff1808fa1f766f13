//! callsign: an OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign.

pub mod caller;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod identifiers;
pub mod secret;
