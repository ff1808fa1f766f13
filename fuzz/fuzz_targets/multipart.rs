//! Fuzz target of `checks/multipart.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/multipart.rs"]
mod multipart;

libfuzzer_sys::fuzz_target!(|data: &[u8]| multipart::check(data));
