//! Load shedding: how much callsign carries at once, and who gets none of it when it is too much.
//!
//! Two things are counted, connections (by `server`, which closes or answers what is too much) and requests in flight
//! (here, for `proxy`). Each has a limit for all and one for a single address or caller, so that nobody who opens
//! everything can starve the others. A request's place is taken before anything leaves and is given back by `Drop`, when
//! its answer has ended or was dropped. Nothing here waits, and nothing remembers anybody who has nothing open.
#![forbid(unsafe_code)]

mod shares;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Shedding;
use crate::identifiers::sources::Sources;
pub(crate) use shares::Shares;

/// Fewer requests in flight than this no caller is held to by default, however low the limit for all is.
const LEAST_PER_CALLER: usize = 64;

/// Why a request or a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shed {
    /// As many connections as allowed are open.
    #[error("callsign has as many connections open as it can carry; try again in a moment")]
    Connections,
    /// One address has its share of them.
    #[error("your address has opened as many connections as one address may; close some of them, or try again")]
    Address,
    /// The process is about to end: the answer would most likely be cut.
    #[error("callsign is stopping and takes no new requests; try again")]
    Draining,
    /// As many requests as allowed are in flight.
    #[error("callsign has as many requests in flight as it can carry; try again in a moment")]
    InFlight,
    /// One caller has its share of them.
    #[error("you have as many requests in flight as one caller may; wait until one of them has ended")]
    Caller,
    /// As many compressed bodies as allowed are being read.
    #[error("callsign is reading as many compressed bodies as it can; try again, or send this one uncompressed")]
    Decoders,
}

impl Shed {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Connections, Self::Address, Self::Draining, Self::InFlight, Self::Caller, Self::Decoders];

    /// Its name in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Address => "address",
            Self::Draining => "draining",
            Self::InFlight => "in_flight",
            Self::Decoders => "decoders",
            Self::Caller => "caller",
        }
    }
}

/// The limits in force, all at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Open connections of the data port.
    pub connections: usize,
    /// Those of one address.
    pub connections_per_address: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Those of one person.
    pub in_flight_per_caller: usize,
    /// Those that come with one key and name no person: they may be many people's.
    pub in_flight_per_key: usize,
}

impl Caps {
    /// What the operator set, within `most`: how many connections the descriptors allow if each has one to the upstream
    /// beside it. Requests are held to the same number, since one HTTP/2 connection carries many.
    ///
    /// By default an address has three quarters of the connections (a trusted app behind one address is the ordinary
    /// case, and must not be what fills the last place), and a person an eighth of the requests, at least 64
    /// and at most three quarters; so have all those together whom a key does not tell apart.
    pub fn new(set: &Shedding, most: usize) -> Self {
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
    all: AtomicUsize,
    callers: Shares,
    caps: Caps,
}

/// The place of one request in flight, given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    in_flight: Arc<InFlight>,
    caller: u64,
}

impl InFlight {
    /// Nothing in flight yet, under these limits.
    pub fn new(caps: Caps) -> Arc<Self> {
        Arc::new(Self { all: AtomicUsize::new(0), callers: Shares::default(), caps })
    }

    /// Takes a place for a request of this caller: the user within its tenant, or the key where there is no user.
    ///
    /// # Errors
    /// [`Shed::Caller`] when the caller has its share, [`Shed::InFlight`] when there is no place at all. Whoever is over
    /// its own share hears that first: it is what the caller can do something about.
    pub fn enter(self: &Arc<Self>, sources: &Sources<'_>) -> Result<Slot, Shed> {
        let (key, share) = match sources.user {
            Some(_) => (None, self.caps.in_flight_per_caller),
            None => (Some(sources.key), self.caps.in_flight_per_key),
        };
        let caller = self.callers.take((sources.tenant, sources.user, key), share).ok_or(Shed::Caller)?;
        // From here on a refusal gives the share back.
        let slot = Slot { in_flight: Arc::clone(self), caller };
        let before = self.all.fetch_add(1, Ordering::Relaxed);
        if before < self.caps.in_flight { Ok(slot) } else { Err(Shed::InFlight) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.in_flight.callers.give_back(self.caller);
        self.in_flight.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(in_flight: usize, in_flight_per_caller: usize) -> Caps {
        Caps {
            connections: 1,
            connections_per_address: 1,
            in_flight,
            in_flight_per_caller,
            in_flight_per_key: in_flight_per_caller,
        }
    }

    fn of<'a>(tenant: Option<&'a str>, key: &'a str, user: Option<&'a str>) -> Sources<'a> {
        Sources { tenant, key, user, session: None, chat: None, message: None, client_session: None }
    }

    #[test]
    fn the_limits_leave_room_for_others_however_few_the_descriptors() {
        let unset =
            Shedding { connections: None, connections_per_address: None, in_flight: 4096, in_flight_per_caller: None };
        let shown = |set: &Shedding, most| {
            let caps = Caps::new(set, most);
            [
                caps.connections,
                caps.connections_per_address,
                caps.in_flight,
                caps.in_flight_per_caller,
                caps.in_flight_per_key,
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
        let set = Shedding {
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
        let in_flight = InFlight::new(caps(100, 1));
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
            assert_eq!(in_flight.enter(caller).unwrap_err(), Shed::Caller);
        }
        let again = of(None, "another-key-of-hers", Some("ada"));
        assert_eq!(in_flight.enter(&again).unwrap_err(), Shed::Caller, "by whatever key she comes");
        drop(slots);
        assert!(in_flight.callers.is_empty());
        assert!(callers.iter().all(|caller| in_flight.enter(caller).is_ok()));
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let in_flight = InFlight::new(caps(2, 2));
        let (ada, bob) = (of(None, "k", Some("ada")), of(None, "k", Some("bob")));
        let slots = [in_flight.enter(&ada).unwrap(), in_flight.enter(&ada).unwrap()];
        for _ in 0..10 {
            assert_eq!(in_flight.enter(&ada).unwrap_err(), Shed::Caller);
            assert_eq!(in_flight.enter(&bob).unwrap_err(), Shed::InFlight);
        }
        drop(slots);
        assert_eq!(in_flight.all.load(Ordering::Relaxed), 0);
        assert!(in_flight.callers.is_empty());
        assert!(in_flight.enter(&bob).is_ok());
    }

    #[test]
    fn threads_never_pass_a_limit_nor_lose_a_place() {
        let in_flight = InFlight::new(caps(3, 2));
        let worst = AtomicUsize::new(0);
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for user in ["ada", "ada", "bob", "bob"] {
                let (in_flight, worst, inside) = (&in_flight, &worst, &inside);
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        if let Ok(slot) = in_flight.enter(&of(None, "k", Some(user))) {
                            worst.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(slot);
                        }
                    }
                });
            }
        });
        assert!(worst.into_inner() <= 3);
        assert!(in_flight.callers.is_empty());
        assert_eq!(in_flight.all.load(Ordering::Relaxed), 0);
    }
}
