//! See `checks/credentials.rs`, which says what is checked and how an input is read.
#![no_main]

#[path = "../checks/credentials.rs"]
mod credentials;

libfuzzer_sys::fuzz_target!(|data: &[u8]| credentials::check(data));
