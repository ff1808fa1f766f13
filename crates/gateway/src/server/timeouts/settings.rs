//! The durations of the timeouts.

use std::time::Duration;

/// The timeouts of one connection. callsign serves with [`Timeouts::default`]; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Time for the TLS handshake. 10 s.
    pub handshake: Duration,
    /// Time from accept (or the end of the handshake) to the first byte. 10 s.
    pub first_byte: Duration,
    /// Time from the first byte of a request's head, or of the HTTP/2 preface, to its end. 15 s.
    pub head: Duration,
    /// Time without a request in flight, from the end of the last response. 120 s: longer than usual client pools keep
    /// a connection, so that a client does not write into a connection that is being closed.
    pub idle: Duration,
    /// Timeouts of a client that takes the bytes that are ready for it.
    pub download: DownloadTimeouts,
    /// Timeouts of a request's body.
    pub upload: UploadTimeouts,
}

/// The timeouts of a client that takes bytes, on a connection and on a stream of HTTP/2. Only time counts in which bytes
/// are ready for it.
#[derive(Clone, Copy, Debug)]
pub struct DownloadTimeouts {
    /// Time without any byte. 60 s.
    pub idle: Duration,
    /// Waiting time over which the rate is measured. A window opens with a wait. 60 s.
    pub window: Duration,
    /// Minimum rate within a window, in bytes per second. 256: less than a tenth of the slowest mobile network.
    pub least_per_second: u64,
}

/// The timeouts of a request's body. Only time spent waiting for the client counts.
#[derive(Clone, Copy, Debug)]
pub struct UploadTimeouts {
    /// Time without any byte. 30 s.
    pub idle: Duration,
    /// Waiting time over which the rate is measured. A window opens with a byte. 10 s.
    pub window: Duration,
    /// Minimum rate within a window, in bytes per second. 4096.
    pub least_per_second: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_mins(2),
            download: DownloadTimeouts::default(),
            upload: UploadTimeouts::default(),
        }
    }
}

impl Default for DownloadTimeouts {
    fn default() -> Self {
        Self { idle: Duration::from_mins(1), window: Duration::from_mins(1), least_per_second: 256 }
    }
}

impl Default for UploadTimeouts {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30), window: Duration::from_secs(10), least_per_second: 4096 }
    }
}
