//! See `checks/settings.rs`, which says what is checked and how an input is read.
#![no_main]

#[path = "../checks/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings::check(data));
