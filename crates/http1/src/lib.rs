//! One HTTP/1.1 client connection that the task of its request polls.
//!
//! A [`Connection`] has no task, no channel and no timer. It sends one request at a time, upload and answer at once:
//!
//! ```text
//! idle ── start ──► head ── poll_head ──► body ── poll_frame ──► idle, or not reusable
//!  └── poll_idle: no byte, no EOF
//! ```
//!
//! Between two polls a connection holds no read buffer. It reads into a buffer of the thread and returns what it has read
//! in buffers of their own size. It reads as hyper's client does: the same heads, the same framing, the same limits.
//! The tests compare both.
//!
//! A byte that belongs to no answer makes the connection unusable: one that arrives before the head of the request has
//! left, one that follows the answer, or one on an idle connection.

mod chunked;
mod connection;
mod error;
mod framing;
mod read;
mod request;
mod response;
mod upload;

pub use connection::Connection;
pub use error::Error;
pub use response::Reason;
