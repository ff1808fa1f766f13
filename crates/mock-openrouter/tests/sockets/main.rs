//! Tests of the mock OpenRouter over sockets: its account books, its costs and the switches of a test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;
mod books;
mod client;
mod costs;
mod failures;
