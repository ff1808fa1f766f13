//! callsign: an OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign.

pub mod secret;
pub mod standin;
