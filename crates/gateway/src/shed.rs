//! Load shedding: limits connections and requests in flight, in all and per address or caller.
//!
//! `server` limits the connections; this module limits the requests in flight, for `proxy`. The limits per address and
//! per caller keep one of them from using up everything. A request takes its [`Slot`] before anything is sent upstream
//! and releases it when its answer has ended or was dropped. Nothing here may wait, and an address or caller without an
//! open connection or request must not use memory.
#![forbid(unsafe_code)]

pub mod settings;

use std::hash::RandomState;
use std::sync::Arc;

use callsign_core::fair_pool::{FairPool, FairShare, PoolError};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::shed::OverloadError;
pub use settings::Settings;

/// The smallest default limit of requests in flight per caller.
const LEAST_PER_CALLER: usize = 64;
/// Maximum number of a caller's answers that are read on at the same time after their clients have left.
const READ_ONS_PER_CALLER: u64 = 4;
/// The part of all requests in flight that may be read on, as a divisor.
const READ_ON_SHARE: usize = 8;

/// The limits in force, all at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// Open connections of the data port.
    pub connections: usize,
    /// Open connections of one address, if no other has any.
    pub connections_per_address: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests in flight of one user, if nobody else has any.
    pub in_flight_per_caller: usize,
    /// Requests in flight of one key that name no user, if nobody else has any. They may belong to many people.
    pub in_flight_per_key: usize,
}

impl LoadLimits {
    /// Computes the limits from the settings. `most` is the maximum number of connections that the file descriptors
    /// allow, each with one upstream connection. It limits the requests too, because one HTTP/2 connection can carry
    /// many requests.
    ///
    /// By default an address gets three quarters of the connections: many deployments have one trusted app at one
    /// address, and it must not use up the last connection. A user gets an eighth of the requests, at least
    /// `LEAST_PER_CALLER` and at most three quarters. A key's requests without a user get three quarters.
    pub fn new(set: &Settings, most: usize) -> Self {
        let share = |all: usize| (all - all / 4).max(1);
        let connections = set.connections.unwrap_or(most).min(most);
        let in_flight = set.in_flight.min(most);
        let by_default = (in_flight / 8).max(LEAST_PER_CALLER).min(share(in_flight));
        Self {
            connections,
            connections_per_address: set.connections_per_address.unwrap_or(share(connections)).min(connections),
            in_flight,
            in_flight_per_caller: set.in_flight_per_caller.unwrap_or(by_default).min(in_flight),
            in_flight_per_key: set.in_flight_per_caller.unwrap_or(share(in_flight)).min(in_flight),
        }
    }
}

/// The requests in flight.
#[derive(Debug)]
pub struct InFlight {
    all: Arc<FairPool>,
    /// Those of `all` that are read on after their client has left.
    read_on: Arc<FairPool>,
    limits: LoadLimits,
}

/// The slot of one request in flight, released on drop.
#[derive(Debug)]
pub struct Slot {
    share: FairShare,
    read_on: Arc<FairPool>,
}

/// The permission to read one answer on after its client has left, released on drop.
#[derive(Debug)]
pub struct ReadOnSlot {
    _share: FairShare,
}

impl InFlight {
    /// Creates a counter with these limits and no request in flight.
    pub fn new(limits: LoadLimits) -> Arc<Self> {
        let pool = |capacity: usize| FairPool::new(capacity as u64, RandomState::new());
        let (all, read_on) = (pool(limits.in_flight), pool((limits.in_flight / READ_ON_SHARE).max(1)));
        Arc::new(Self { all, read_on, limits })
    }

    /// Takes a slot for a request of this caller: the user within its tenant, or the key if there is no user.
    ///
    /// # Errors
    /// [`OverloadError::Caller`] if the caller has its share, [`OverloadError::InFlight`] if no slot is free.
    pub fn enter(&self, sources: &CallerIdentity<'_>) -> Result<Slot, OverloadError> {
        let alone = match sources.user {
            Some(_) => self.limits.in_flight_per_caller,
            None => self.limits.in_flight_per_key,
        };
        let share = self.all.take(sources.holder(), alone as u64, 1).map_err(|error| match error {
            PoolError::Share => OverloadError::Caller,
            PoolError::Full => OverloadError::InFlight,
        })?;
        Ok(Slot { share, read_on: Arc::clone(&self.read_on) })
    }
}

impl Slot {
    /// Takes a permission to read the answer on after its client has left. The slot itself stays taken. `None` if the
    /// caller has its share or all callers together have used the pool up.
    pub fn read_on(&self) -> Option<ReadOnSlot> {
        let share = self.read_on.take(self.share.holder(), READ_ONS_PER_CALLER, 1);
        share.ok().map(|share| ReadOnSlot { _share: share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(in_flight: usize, in_flight_per_caller: usize) -> LoadLimits {
        LoadLimits {
            connections: 1,
            connections_per_address: 1,
            in_flight,
            in_flight_per_caller,
            in_flight_per_key: in_flight_per_caller,
        }
    }

    fn of<'a>(tenant: Option<&'a str>, key: &'a str, user: Option<&'a str>) -> CallerIdentity<'a> {
        CallerIdentity {
            tenant,
            key,
            user,
            session: None,
            chat: None,
            message: None,
            client_session: None,
            stored: None,
        }
    }

    #[test]
    fn default_limits_leave_room_for_other_callers_at_any_descriptor_limit() {
        let unset =
            Settings { connections: None, connections_per_address: None, in_flight: 4096, in_flight_per_caller: None };
        let shown = |set: &Settings, most| {
            let limits = LoadLimits::new(set, most);
            [
                limits.connections,
                limits.connections_per_address,
                limits.in_flight,
                limits.in_flight_per_caller,
                limits.in_flight_per_key,
            ]
        };
        for (most, expected) in [
            (65_536, [65_536, 49_152, 4096, 512, 3072]),
            (448, [448, 336, 448, 64, 336]),
            (96, [96, 72, 96, 64, 72]),
            (8, [8, 6, 8, 6, 6]),
            (1, [1, 1, 1, 1, 1]),
        ] {
            assert_eq!(shown(&unset, most), expected, "{most}");
        }
        let set = Settings {
            connections: Some(100),
            connections_per_address: Some(100),
            in_flight: 50,
            in_flight_per_caller: Some(50),
        };
        assert_eq!(shown(&set, 1000), [100, 100, 50, 50, 50]);
        assert_eq!(shown(&set, 20), [20, 20, 20, 20, 20]);
    }

    #[test]
    fn a_caller_is_a_user_of_a_tenant_or_a_key_without_one() {
        let in_flight = InFlight::new(limits(100, 1));
        let callers = [
            of(None, "app", None),
            of(None, "app2", None),
            of(None, "app", Some("ada")),
            of(None, "app", Some("app")),
            of(Some("acme"), "app", Some("ada")),
            of(Some("acme"), "app", None),
        ];
        let slots: Vec<_> = callers.iter().map(|caller| in_flight.enter(caller).unwrap()).collect();
        for caller in &callers {
            assert_eq!(in_flight.enter(caller).unwrap_err(), OverloadError::Caller);
        }
        let again = of(None, "another-key-of-hers", Some("ada"));
        assert_eq!(
            in_flight.enter(&again).unwrap_err(),
            OverloadError::Caller,
            "a user has one share, whatever the key"
        );
        drop(slots);
        assert_eq!(in_flight.all.holders(), 0);
        assert!(callers.iter().all(|caller| in_flight.enter(caller).is_ok()));
    }

    #[test]
    fn a_refusal_takes_no_slot() {
        let in_flight = InFlight::new(limits(2, 2));
        let (ada, bob) = (of(None, "k", Some("ada")), of(None, "k", Some("bob")));
        let slots = [in_flight.enter(&ada).unwrap(), in_flight.enter(&ada).unwrap()];
        for _ in 0..10 {
            assert_eq!(in_flight.enter(&ada).unwrap_err(), OverloadError::Caller);
            assert_eq!(in_flight.enter(&bob).unwrap_err(), OverloadError::InFlight);
        }
        drop(slots);
        assert_eq!((in_flight.all.used(), in_flight.all.holders()), (0, 0));
        assert!(in_flight.enter(&bob).is_ok());
    }

    #[test]
    fn a_caller_reads_four_answers_on_and_all_callers_an_eighth() {
        let in_flight = InFlight::new(limits(48, 20));
        let slots: Vec<_> =
            ["ada", "bob"].iter().map(|user| in_flight.enter(&of(None, "k", Some(user))).unwrap()).collect();
        let mut ada: Vec<_> = std::iter::from_fn(|| slots[0].read_on()).collect();
        assert_eq!(ada.len(), 4);
        let bob = slots[1].read_on();
        assert!(bob.is_some() && slots[1].read_on().is_none(), "one of six stays free for a third caller");
        assert_eq!(in_flight.all.used(), 2, "they are requests in flight already");
        ada.pop();
        let again = slots[1].read_on();
        assert!(again.is_some() && slots[1].read_on().is_none() && slots[0].read_on().is_none());
        drop((ada, bob, again));
        assert_eq!((in_flight.read_on.used(), in_flight.read_on.holders()), (0, 0));
        // A small limit leaves one.
        let small = InFlight::new(limits(3, 3));
        let slot = small.enter(&of(None, "k", None)).unwrap();
        let one = slot.read_on();
        assert!(one.is_some() && slot.read_on().is_none());
    }
}
