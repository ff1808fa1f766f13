//! Fuzz target of `checks/settings.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings::check(data));
