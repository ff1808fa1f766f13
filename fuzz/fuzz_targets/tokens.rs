//! See `checks/tokens.rs`, which says what is checked and how an input is read.
#![no_main]

#[path = "../checks/tokens.rs"]
mod tokens;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokens::check(data));
