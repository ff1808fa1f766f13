//! The places for connections: how many may be open, and of one address.
//!
//! A connection too many is not left waiting for ever: it gets a place in a small reserve, is answered
//! (503, by the handler, which is told why in [`super::Peer::shed`]) and closed after its first request. When even the
//! reserve is taken, an address over its share is closed at once, so that it cannot hold up the others; with all places
//! taken there is nobody to be held up, and the connection waits for the first place that is given back.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::observe::Metrics;
use crate::shed::{Shares, Shed};

/// The connections that one port may have open. Share it between the listeners of a port.
#[derive(Debug)]
pub struct Places {
    open: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    addresses: Shares,
    per_address: usize,
    /// Of the data port.
    metrics: Option<Arc<Metrics>>,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: Option<u64>,
    /// Why it is not one of the ordinary ones.
    pub(super) shed: Option<Shed>,
    permit: Option<OwnedSemaphorePermit>,
}

/// What becomes of a connection.
#[derive(Debug)]
pub(super) enum Entry {
    /// It has a place.
    Placed(Place),
    /// It is to be closed.
    Closed,
    /// It would have to wait for one.
    Full,
}

impl Places {
    /// Places for `connections`, of which one address may take `per_address`, and for `reserve` more that are only told
    /// so. With `metrics`, open connections and those closed unheard are counted.
    pub fn new(connections: usize, per_address: usize, reserve: usize, metrics: Option<Arc<Metrics>>) -> Self {
        let semaphore = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let (open, reserve) = (semaphore(connections), semaphore(reserve));
        Self { open, reserve, addresses: Shares::default(), per_address, metrics }
    }

    /// A place for a connection from `address`; `None` if it is to be closed. Waits only while nobody at all could be
    /// served.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        match self.enter_now(address) {
            Entry::Placed(place) => return Some(place),
            Entry::Closed => return None,
            Entry::Full => {}
        }
        // Errors mean that a semaphore was closed, which nobody does.
        let (permit, shed) = tokio::select! {
            biased;
            permit = Arc::clone(&self.open).acquire_owned() => (permit.ok()?, None),
            permit = Arc::clone(&self.reserve).acquire_owned() => (permit.ok()?, Some(Shed::Connections)),
        };
        let share = self.addresses.take(network(address), self.per_address);
        // The share was there a moment ago; if another listener gave it away, the connection is one too many.
        let shed = shed.or(share.is_none().then_some(Shed::Address));
        Some(self.place(share, shed, permit))
    }

    /// The same without waiting.
    pub(super) fn enter_now(self: &Arc<Self>, address: IpAddr) -> Entry {
        let Some(share) = self.addresses.take(network(address), self.per_address) else {
            if let Ok(permit) = Arc::clone(&self.reserve).try_acquire_owned() {
                return Entry::Placed(self.place(None, Some(Shed::Address), permit));
            }
            if let Some(metrics) = &self.metrics {
                metrics.shed(Shed::Address.reason());
            }
            return Entry::Closed;
        };
        let ordinary = Arc::clone(&self.open).try_acquire_owned().map(|permit| (permit, None));
        let either = ordinary
            .or_else(|_| Arc::clone(&self.reserve).try_acquire_owned().map(|permit| (permit, Some(Shed::Connections))));
        if let Ok((permit, shed)) = either {
            Entry::Placed(self.place(Some(share), shed, permit))
        } else {
            self.addresses.give_back(share);
            Entry::Full
        }
    }

    /// Whether a connection more would be too many.
    pub(super) fn is_full(&self) -> bool {
        self.open.available_permits() == 0
    }

    fn place(self: &Arc<Self>, address: Option<u64>, shed: Option<Shed>, permit: OwnedSemaphorePermit) -> Place {
        if let Some(metrics) = &self.metrics {
            metrics.connections.inc();
        }
        Place { places: Arc::clone(self), address, shed, permit: Some(permit) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(share) = self.address {
            self.places.addresses.give_back(share);
        }
        if let Some(metrics) = &self.places.metrics {
            metrics.connections.dec();
        }
        // Last, so that whoever waits for it finds everything given back.
        drop(self.permit.take());
    }
}

/// What counts as one address: an IPv4 address, or the /64 that a single IPv6 host usually has for itself.
fn network(address: IpAddr) -> (bool, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u64::from(address.to_bits())),
        IpAddr::V6(address) => (true, u64::try_from(address.to_bits() >> 64).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, per_address: usize, reserve: usize) -> Arc<Places> {
        Arc::new(Places::new(connections, per_address, reserve, None))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn one_address_never_takes_all_nor_holds_up_the_others() {
        let places = places(4, 3, 1);
        let (greedy, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(places.enter(greedy).await.unwrap());
        }
        assert!(held.iter().all(|place| place.shed.is_none()));
        let told = places.enter(ip("::ffff:192.0.2.1")).await.unwrap();
        assert_eq!(told.shed, Some(Shed::Address), "the same address in another spelling");
        assert!(places.enter(greedy).await.is_none(), "closed unheard: the reserve is taken");
        assert_eq!(places.enter(other).await.unwrap().shed, None);
        held.pop();
        assert_eq!(places.enter(greedy).await.unwrap().shed, None);
    }

    #[tokio::test]
    async fn beyond_the_reserve_a_full_port_waits_for_any_place() {
        let places = places(1, 1, 1);
        let first = places.enter(ip("192.0.2.1")).await.unwrap();
        let told = places.enter(ip("192.0.2.2")).await.unwrap();
        assert_eq!((first.shed, told.shed), (None, Some(Shed::Connections)));
        assert!(places.is_full() && matches!(places.enter_now(ip("192.0.2.3")), Entry::Full));
        let mut waiting = std::pin::pin!(places.enter(ip("192.0.2.3")));
        tokio::select! {
            biased;
            _ = waiting.as_mut() => panic!("there is no place"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        let entered = waiting.await.unwrap();
        assert_eq!(entered.shed, None);
        drop((entered, told));
        assert!(places.addresses.is_empty());
    }

    #[test]
    fn ipv6_counts_by_its_64_bit_network() {
        assert_eq!(network(ip("2001:db8::1")), network(ip("2001:db8::ffff:1")));
        assert_ne!(network(ip("2001:db8::1")), network(ip("2001:db8:0:1::1")));
        assert_ne!(network(ip("0.0.0.9")), network(ip("0:0:0:9::1")));
    }
}
