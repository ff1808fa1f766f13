//! The timeouts of a client connection.
//!
//! hyper's header timer is not enough: it does not close a silent connection, half an HTTP/2 preface or a stalled
//! body, and it does close idle keep-alive connections. So the stream under hyper is wrapped twice: [`ReadTimeout`]
//! limits the time that the client takes to send, [`WriteTimeout`] the time that it takes to receive. The service
//! reports the begin and end of each request to the connection's [`Activity`]. `upload.rs` limits the time of request
//! bodies.

mod activity;
mod read_timeout;
mod settings;
mod taking;
mod write_timeout;

pub(super) use activity::{Activity, InFlightGuard};
pub(super) use read_timeout::{Protocol, ReadTimeout};
pub use settings::{DownloadTimeouts, Timeouts, UploadTimeouts};
pub(super) use taking::Taking;
pub(super) use write_timeout::WriteTimeout;
