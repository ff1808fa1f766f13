//! Fuzz target of `checks/rewrite.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/rewrite.rs"]
mod rewrite;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rewrite::check(data));
