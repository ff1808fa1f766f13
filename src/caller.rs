//! Who is calling.
#![forbid(unsafe_code)]

pub mod preset;
