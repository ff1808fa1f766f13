//! Fuzz target of `checks/credentials.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/credentials.rs"]
mod credentials;

libfuzzer_sys::fuzz_target!(|data: &[u8]| credentials::check(data));
