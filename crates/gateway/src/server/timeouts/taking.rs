//! Measures how a client takes the bytes that are ready for it: the time without any byte, and the rate.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::settings::DownloadTimeouts;
use crate::server::alarm::Alarm;

/// The waits for one client, on a socket or on a stream of HTTP/2. Only time counts in which bytes are ready for the
/// client and it does not take them.
#[derive(Debug)]
pub(in crate::server) struct Taking {
    timeouts: DownloadTimeouts,
    alarm: Alarm,
    waiting_since: Option<Instant>,
    /// Time spent waiting since the window opened, up to the last byte. A window opens with a wait.
    waited: Duration,
    /// Bytes taken since the window opened.
    taken: u64,
}

impl Taking {
    pub(in crate::server) fn new(timeouts: DownloadTimeouts) -> Self {
        Self { timeouts, alarm: Alarm::default(), waiting_since: None, waited: Duration::ZERO, taken: 0 }
    }

    /// Ends a wait: the client has taken bytes.
    pub(in crate::server) fn took(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.taken = self.taken.saturating_add(bytes as u64);
    }

    /// Called while bytes are ready that the client does not take. Returns `Ready` if it is too slow; otherwise wakes the
    /// task at the next deadline.
    pub(in crate::server) fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting_since.is_none() && self.waited.is_zero() {
            self.taken = 0;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let silent = since + self.timeouts.idle;
        loop {
            let window = since + self.timeouts.window.saturating_sub(self.waited);
            let until = silent.min(window);
            ready!(self.alarm.poll_until(cx, until));
            if until == silent || !self.close_window() {
                return Poll::Ready(());
            }
        }
    }

    /// Closes the window. Returns true if the client has taken enough bytes in it.
    fn close_window(&mut self) -> bool {
        let enough = self.taken >= self.timeouts.least_per_second.saturating_mul(self.timeouts.window.as_secs());
        self.taken = 0;
        self.waited = Duration::ZERO;
        enough
    }
}
