//! Fuzz target of `checks/usage_reader.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/usage_reader.rs"]
mod usage_reader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| usage_reader::check(data));
