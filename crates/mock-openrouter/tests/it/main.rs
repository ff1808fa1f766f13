//! Tests of the mock OpenRouter over sockets: its account books, its costs and the switches of a test.

mod account;
mod books;
mod client;
mod costs;
mod failures;
