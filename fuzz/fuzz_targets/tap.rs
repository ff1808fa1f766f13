//! See `checks/tap.rs`, which says what is checked and how an input is read.
#![no_main]

#[path = "../checks/tap.rs"]
mod tap;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap::check(data));
