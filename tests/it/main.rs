fn main() {}
//! The integration tests: one binary, one file for each capability, real sockets, no network.

mod standin;
mod support;
