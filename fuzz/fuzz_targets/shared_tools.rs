//! Fuzz target of `checks/shared_tools.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/shared_tools.rs"]
mod shared_tools;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared_tools::check(data));
