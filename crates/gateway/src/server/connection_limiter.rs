//! Limits the open connections of a port, in all and per address.
//!
//! An excess connection gets a permit from a small reserve. The handler answers its first request with 503, for the
//! reason in [`super::Peer::shed`], and the connection is closed. When the reserve is used up, a connection of an
//! address over its share is closed at once, so that it does not delay other addresses. When all permits are in use, a
//! connection of any other address waits for the next permit.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use callsign_core::fair_pool::{FairPool, FairShare, PoolError};
use callsign_core::shed::OverloadError;
use callsign_telemetry::metrics::Metrics;

/// The connection limits of one port. Share it between the listeners of the port.
#[derive(Debug)]
pub struct ConnectionLimiter {
    open: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    addresses: Arc<FairPool>,
    /// Connections of one address, if no other has any.
    per_address: u64,
    /// Set for the data port only.
    metrics: Option<Arc<Metrics>>,
}

/// The permit of one connection, released on drop.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    /// `None` for a permit from the reserve.
    address: Option<FairShare>,
    /// The reason to refuse the connection's first request; `None` if the permit is not from the reserve.
    pub(super) shed: Option<OverloadError>,
    permit: Option<OwnedSemaphorePermit>,
}

/// The result of a request for a permit.
#[derive(Debug)]
pub(super) enum Admission {
    /// The connection has a permit.
    Granted(ConnectionPermit),
    /// The connection must be closed: its address is over its share and the reserve is used up.
    Closed,
    /// The connection must wait: all permits are in use.
    Full,
}

impl ConnectionLimiter {
    /// Limits `connections`, of which one address may take `per_address` if no other has any. `reserve` more connections
    /// get a refusal as their answer. With a `per_address` above `connections`, addresses have no shares. `metrics` counts open connections and those closed without an answer.
    pub fn new(connections: usize, per_address: usize, reserve: usize, metrics: Option<Arc<Metrics>>) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let (open, reserve) = (semaphore(connections), semaphore(reserve));
        let addresses = FairPool::new(connections as u64, RandomState::new());
        Self { open, reserve, addresses, per_address: per_address as u64, metrics }
    }

    /// Returns a permit for a connection from `address`, or `None` if the connection must be closed. Waits only while
    /// all permits are in use.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionPermit> {
        match self.enter_now(address) {
            Admission::Granted(permit) => return Some(permit),
            Admission::Closed => return None,
            Admission::Full => {}
        }
        // An error means that a semaphore was closed, which no code does.
        let (permit, shed) = tokio::select! {
            biased;
            permit = Arc::clone(&self.open).acquire_owned() => (permit.ok()?, None),
            permit = Arc::clone(&self.reserve).acquire_owned() => (permit.ok()?, Some(OverloadError::Connections)),
        };
        if shed.is_some() {
            return Some(self.issue(None, shed, permit));
        }
        // Meanwhile other connections may have used the share of the address up. This one is excess then.
        Some(match self.take(address) {
            Ok(share) => self.issue(Some(share), None, permit),
            Err(error) => self.issue(None, Some(error), permit),
        })
    }

    /// Returns a permit for a connection from `address` if one is free. Does not wait.
    pub(super) fn enter_now(self: &Arc<Self>, address: IpAddr) -> Admission {
        let refused = match self.take(address) {
            Ok(share) => match Arc::clone(&self.open).try_acquire_owned() {
                Ok(permit) => return Admission::Granted(self.issue(Some(share), None, permit)),
                Err(_) => OverloadError::Connections,
            },
            Err(error) => error,
        };
        if let Ok(permit) = Arc::clone(&self.reserve).try_acquire_owned() {
            return Admission::Granted(self.issue(None, Some(refused), permit));
        }
        if refused == OverloadError::Connections {
            return Admission::Full;
        }
        if let Some(metrics) = &self.metrics {
            metrics.count_overload(refused.reason());
        }
        Admission::Closed
    }

    /// Takes a connection of the share of `address`.
    fn take(&self, address: IpAddr) -> Result<FairShare, OverloadError> {
        self.addresses.take(network(address), self.per_address, 1).map_err(|error| match error {
            PoolError::Share if self.per_address <= self.addresses.capacity() => OverloadError::Address,
            PoolError::Share | PoolError::Full => OverloadError::Connections,
        })
    }

    /// Returns true if no permit outside the reserve is free.
    pub(super) fn is_full(&self) -> bool {
        self.open.available_permits() == 0
    }

    fn issue(
        self: &Arc<Self>,
        address: Option<FairShare>,
        shed: Option<OverloadError>,
        permit: OwnedSemaphorePermit,
    ) -> ConnectionPermit {
        if let Some(metrics) = &self.metrics {
            metrics.connections.inc();
        }
        ConnectionPermit { limiter: Arc::clone(self), address, shed, permit: Some(permit) }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        drop(self.address.take());
        if let Some(metrics) = &self.limiter.metrics {
            metrics.connections.dec();
        }
        // Last, so that a waiting connection finds the address's share released too.
        drop(self.permit.take());
    }
}

/// Returns the unit that counts as one address: an IPv4 address, or an IPv6 /64, which usually belongs to one host
/// (`docs/SPEC.md#list-of-settings`).
fn network(address: IpAddr) -> (bool, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u64::from(address.to_bits())),
        IpAddr::V6(address) => (true, u64::try_from(address.to_bits() >> 64).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(connections: usize, per_address: usize, reserve: usize) -> Arc<ConnectionLimiter> {
        Arc::new(ConnectionLimiter::new(connections, per_address, reserve, None))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn one_address_neither_takes_all_permits_nor_delays_the_others() {
        let limiter = limiter(4, 3, 1);
        let (greedy, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let mut permits = Vec::new();
        for _ in 0..3 {
            permits.push(limiter.enter(greedy).await.unwrap());
        }
        assert!(permits.iter().all(|permit| permit.shed.is_none()));
        let refused = limiter.enter(ip("::ffff:192.0.2.1")).await.unwrap();
        assert_eq!(refused.shed, Some(OverloadError::Address), "the same address in another spelling");
        assert!(limiter.enter(greedy).await.is_none(), "closed without an answer: the reserve is used up");
        assert_eq!(limiter.enter(other).await.unwrap().shed, None);
        permits.pop();
        assert_eq!(limiter.enter(greedy).await.unwrap().shed, None);
    }

    #[test]
    fn greedy_addresses_leave_a_quarter_of_what_is_free_each() {
        let limiter = limiter(256, 192, 0);
        let mut permits = Vec::new();
        for expected in [192, 48, 12, 3, 1] {
            let address = IpAddr::from([192, 0, 2, u8::try_from(expected).unwrap()]);
            let before = permits.len();
            while let Admission::Granted(permit) = limiter.enter_now(address) {
                permits.push(permit);
            }
            assert_eq!(permits.len() - before, expected);
        }
    }

    #[tokio::test]
    async fn without_a_free_permit_a_connection_waits_for_the_next_one() {
        let limiter = limiter(1, 1, 1);
        let first = limiter.enter(ip("192.0.2.1")).await.unwrap();
        let refused = limiter.enter(ip("192.0.2.2")).await.unwrap();
        assert_eq!((first.shed, refused.shed), (None, Some(OverloadError::Connections)));
        assert!(limiter.is_full() && matches!(limiter.enter_now(ip("192.0.2.3")), Admission::Full));
        let mut waiting = std::pin::pin!(limiter.enter(ip("192.0.2.3")));
        tokio::select! {
            biased;
            _ = waiting.as_mut() => panic!("no permit is free"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        let entered = waiting.await.unwrap();
        assert_eq!(entered.shed, None);
        drop((entered, refused));
        assert_eq!((limiter.addresses.used(), limiter.addresses.holders()), (0, 0));
    }

    #[test]
    fn ipv6_counts_by_its_64_bit_network() {
        assert_eq!(network(ip("2001:db8::1")), network(ip("2001:db8::ffff:1")));
        assert_ne!(network(ip("2001:db8::1")), network(ip("2001:db8:0:1::1")));
        assert_ne!(network(ip("0.0.0.9")), network(ip("0:0:0:9::1")));
    }
}
