//! See `checks/formats.rs`, which says what is checked and how an input is read.
#![no_main]

#[path = "../checks/formats.rs"]
mod formats;

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::check(data));
