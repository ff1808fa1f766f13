//! The request path: accepts connections, forwards requests to OpenRouter, relays the answers.

pub mod audit;
pub mod error;
pub mod issuers;
pub mod openrouter;
pub mod proxy;
pub mod record;
pub mod relay;
pub mod server;
pub mod shed;
pub mod upstream;
