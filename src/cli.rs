//! One file per command. Commands write to an `impl Write` and leave exit codes to `main`.

pub mod config;
