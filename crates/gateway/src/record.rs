//! One record per request: gathers what is known of it and reports its end once.

pub mod account;
mod row;
mod use_of_limits;
mod watch;

pub use account::RequestRecord;
