//! Fuzz target of `checks/tap.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/tap.rs"]
mod tap;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap::check(data));
