//! Fuzz target of `checks/tokens.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/tokens.rs"]
mod tokens;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokens::check(data));
