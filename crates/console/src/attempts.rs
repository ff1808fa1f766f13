//! Slows down wrong admin tokens, by address (docs/SPEC.md#wrong-tokens).
//!
//! Only failures are stored, for one minute, and at most [`MOST`] of them: a further one replaces the oldest.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Failures of one address within [`WINDOW`] after which a further one is refused as too many.
const MOST_OF_ONE: usize = 5;
/// Maximum number of stored failures.
const MOST: usize = 1_000;
/// Time for which a failure counts.
const WINDOW: Duration = Duration::from_mins(1);
/// Delay of the answer for each earlier failure of the address, and its maximum.
const DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// The failures within the last [`WINDOW`], oldest first.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<VecDeque<(Instant, IpAddr)>>);

/// Too many wrong tokens were sent. Contains the time until fewer count, rounded up to whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong tokens; the right one works at once, others in {} s", .0.as_secs())]
pub(super) struct TooManyAttemptsError(pub(super) Duration);

impl Attempts {
    /// Counts a wrong token of this address and waits, the longer the more there were.
    ///
    /// # Errors
    /// [`TooManyAttemptsError`] after [`MOST_OF_ONE`] within [`WINDOW`].
    pub(super) async fn failed(&self, from: IpAddr) -> Result<(), TooManyAttemptsError> {
        let earlier = self.count(network(from));
        let times = u32::try_from(earlier.len()).unwrap_or(u32::MAX);
        tokio::time::sleep(DELAY.saturating_mul(times).min(LONGEST_DELAY)).await;
        match earlier.len().checked_sub(MOST_OF_ONE).and_then(|excess| earlier.get(excess)) {
            None => Ok(()),
            Some(at) => {
                let wait = WINDOW.saturating_sub(at.elapsed());
                Err(TooManyAttemptsError(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))))
            }
        }
    }

    /// Adds a failure and returns the times of the earlier ones of this address.
    fn count(&self, from: IpAddr) -> Vec<Instant> {
        let now = Instant::now();
        let mut failures = self.0.lock();
        while failures.len() >= MOST || failures.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            failures.pop_front();
        }
        let earlier = failures.iter().filter(|(_, address)| *address == from).map(|(at, _)| *at).collect();
        failures.push_back((now, from));
        earlier
    }
}

/// Returns the address that failures are counted for. IPv6 addresses are cut to their /64 prefix, because one client
/// usually controls a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_sixth_failure_within_a_minute_is_too_many_for_its_address_only() {
        let attempts = Attempts::default();
        let from = address("10.0.0.1");
        for _ in 0..MOST_OF_ONE {
            assert_eq!(attempts.failed(from).await, Ok(()));
        }
        // The delays of 0, 0.2, … 1 s have passed.
        assert_eq!(attempts.failed(from).await, Err(TooManyAttemptsError(Duration::from_secs(57))));
        assert_eq!(attempts.failed(address("10.0.0.2")).await, Ok(()));
        assert!(attempts.failed(address("::ffff:10.0.0.1")).await.is_err(), "the same address");
        tokio::time::advance(WINDOW).await;
        assert_eq!(attempts.failed(from).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_is_delayed_by_at_most_two_seconds() {
        let attempts = Attempts::default();
        let mut delays = Vec::new();
        for _ in 0..30 {
            let began = Instant::now();
            let _too_many = attempts.failed(address("10.0.0.1")).await;
            delays.push(began.elapsed().as_millis());
        }
        assert_eq!((&delays[..3], delays.iter().max()), (&[0, 200, 400][..], Some(&2_000)));
    }

    #[test]
    fn the_stored_failures_are_bounded_and_a_network_counts_as_one() {
        let attempts = Attempts::default();
        for host in 0..3 * u32::try_from(MOST).unwrap() {
            attempts.count(std::net::Ipv4Addr::from_bits(host).into());
        }
        assert_eq!(attempts.0.lock().len(), MOST);
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
    }
}
