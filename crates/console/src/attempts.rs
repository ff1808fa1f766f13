//! Limits wrong admin tokens: five a minute from one address, sixty a minute in all (docs/SPEC.md#wrong-tokens).
//!
//! Beyond the limit, tokens are refused without being checked, the right one included. Only failures are stored, for
//! one minute, so there are at most [`MOST`] of them (test: `the_total_limit_covers_many_addresses`).

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum failures of one address within [`WINDOW`].
const MOST_OF_ONE: usize = 5;
/// Maximum failures of all addresses within [`WINDOW`].
const MOST: usize = 60;
/// Time for which a failure counts.
const WINDOW: Duration = Duration::from_mins(1);

/// The failures within the last [`WINDOW`], oldest first.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<VecDeque<(Instant, IpAddr)>>);

/// Too many wrong tokens were sent. Contains the time until the next attempt, rounded up to whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong tokens; try again in {} s", .0.as_secs())]
pub(super) struct TooManyAttemptsError(pub(super) Duration);

impl Attempts {
    /// Checks a token that came from this address by calling `is_right`, and counts a failure if it returns false.
    ///
    /// # Errors
    /// [`TooManyAttemptsError`] if a limit is reached. `is_right` is not called then.
    pub(super) fn attempt(&self, from: IpAddr, is_right: impl FnOnce() -> bool) -> Result<bool, TooManyAttemptsError> {
        let (now, from) = (Instant::now(), network(from));
        let mut failures = self.0.lock();
        while failures.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            failures.pop_front();
        }
        let own = failures.iter().filter(|(_, address)| *address == from);
        // The failure whose expiry permits the next attempt, if a limit is reached.
        let oldest = if failures.len() >= MOST {
            failures.front()
        } else {
            own.clone().nth(own.count().wrapping_sub(MOST_OF_ONE))
        };
        if let Some((at, _)) = oldest {
            let wait = WINDOW.saturating_sub(now.duration_since(*at));
            return Err(TooManyAttemptsError(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))));
        }
        let right = is_right();
        if !right {
            failures.push_back((now, from));
        }
        Ok(right)
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
    async fn after_five_failures_in_a_minute_the_right_token_is_refused() {
        let attempts = Attempts::default();
        let from = address("10.0.0.1");
        for _ in 0..5 {
            assert_eq!(attempts.attempt(from, || false), Ok(false));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(attempts.attempt(from, || unreachable!()), Err(TooManyAttemptsError(Duration::from_secs(55))));
        assert_eq!(attempts.attempt(address("10.0.0.2"), || true), Ok(true), "another address");
        tokio::time::advance(Duration::from_millis(54_999)).await;
        assert_eq!(attempts.attempt(from, || unreachable!()), Err(TooManyAttemptsError(Duration::from_secs(1))));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(attempts.attempt(from, || false), Ok(false), "the first failure has expired");
        assert_eq!(attempts.attempt(from, || unreachable!()), Err(TooManyAttemptsError(Duration::from_secs(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn right_tokens_are_not_counted() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            assert_eq!(attempts.attempt(address("::1"), || true), Ok(true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_limit_covers_many_addresses() {
        let attempts = Attempts::default();
        for host in 0..5_u8 {
            let one_of_a_network = address(&format!("2001:db8::{host}"));
            assert_eq!(attempts.attempt(one_of_a_network, || false), Ok(false));
        }
        assert!(attempts.attempt(address("2001:db8::ffff"), || unreachable!()).is_err());
        for host in 0..55_u8 {
            assert_eq!(attempts.attempt(IpAddr::from([10, 0, 0, host]), || false), Ok(false));
        }
        assert!(attempts.attempt(address("10.1.0.1"), || unreachable!()).is_err());
        assert_eq!(attempts.0.lock().len(), MOST);
        tokio::time::advance(WINDOW).await;
        assert_eq!(attempts.attempt(address("10.1.0.1"), || true), Ok(true));
        assert!(attempts.0.lock().is_empty());
    }
}
