//! Fuzz target of `checks/formats.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/formats.rs"]
mod formats;

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::check(data));
