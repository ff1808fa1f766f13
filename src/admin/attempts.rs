//! Wrong admin tokens: five a minute from one address, sixty a minute in all, then nobody's are looked at.
//!
//! A token that can be guessed at all cannot be guessed at that pace. Only failures are remembered, and only for a minute,
//! so that there are never more than [`MOST`] of them.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures of one address within [`WINDOW`] (contract, section 6).
const MOST_OF_ONE: usize = 5;
/// Failures of all.
const MOST: usize = 60;
/// How long a failure counts.
const WINDOW: Duration = Duration::from_mins(1);

/// The latest failures.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<VecDeque<(Instant, IpAddr)>>);

/// There were too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong tokens; try again in {} s", .0.as_secs())]
pub(super) struct TooMany(pub(super) Duration);

impl Attempts {
    /// Makes an attempt from this address: `is_right` is only asked if there may be one.
    ///
    /// # Errors
    /// [`TooMany`], with the time, in whole seconds, until the next one may be made.
    pub(super) fn attempt(&self, from: IpAddr, is_right: impl FnOnce() -> bool) -> Result<bool, TooMany> {
        let (now, from) = (Instant::now(), network(from));
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while failures.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            failures.pop_front();
        }
        let own = failures.iter().filter(|(_, address)| *address == from);
        // The one whose end makes room.
        let oldest = if failures.len() >= MOST {
            failures.front()
        } else {
            own.clone().nth(own.count().wrapping_sub(MOST_OF_ONE))
        };
        if let Some((at, _)) = oldest {
            let wait = WINDOW.saturating_sub(now.duration_since(*at));
            return Err(TooMany(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))));
        }
        let right = is_right();
        if !right {
            failures.push_back((now, from));
        }
        Ok(right)
    }
}

/// Whoever has an IPv6 address has a /64 of them.
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
    async fn five_wrong_ones_a_minute_and_then_not_even_the_right_one() {
        let attempts = Attempts::default();
        let from = address("10.0.0.1");
        for _ in 0..5 {
            assert_eq!(attempts.attempt(from, || false), Ok(false));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(attempts.attempt(from, || unreachable!()), Err(TooMany(Duration::from_secs(55))));
        assert_eq!(attempts.attempt(address("10.0.0.2"), || true), Ok(true), "somebody else");
        tokio::time::advance(Duration::from_millis(54_999)).await;
        assert_eq!(attempts.attempt(from, || unreachable!()), Err(TooMany(Duration::from_secs(1))));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(attempts.attempt(from, || false), Ok(false), "the first one counts no longer");
        assert_eq!(attempts.attempt(from, || unreachable!()), Err(TooMany(Duration::from_secs(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn right_ones_are_not_counted() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            assert_eq!(attempts.attempt(address("::1"), || true), Ok(true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_are_no_way_round_it() {
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
        assert_eq!(attempts.0.lock().unwrap().len(), MOST);
        tokio::time::advance(WINDOW).await;
        assert_eq!(attempts.attempt(address("10.1.0.1"), || true), Ok(true));
        assert!(attempts.0.lock().unwrap().is_empty());
    }
}
