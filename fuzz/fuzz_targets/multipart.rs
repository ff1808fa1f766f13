//! See `checks/multipart.rs`, which says what is checked and how an input is read.
#![no_main]

#[path = "../checks/multipart.rs"]
mod multipart;

libfuzzer_sys::fuzz_target!(|data: &[u8]| multipart::check(data));
