//! Fuzz target of `checks/http1_answers.rs`, which documents the check and the input format.
#![no_main]

#[path = "../checks/http1_answers.rs"]
mod http1_answers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http1_answers::check(data));
