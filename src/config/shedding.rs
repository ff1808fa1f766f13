//! How much is carried at once before requests are refused.

use super::reader::{Reader, Recorded};
use super::values;

/// Beyond any machine; keeps the numbers within a semaphore's permits.
const MOST: u64 = 1_000_000;

/// Limits as set; [`crate::shed::Caps`] says what they come to on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shedding {
    /// `CALLSIGN_MAX_CONNECTIONS`; `None`: as many as the open-files limit allows.
    pub connections: Option<usize>,
    /// `CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS`; `None`: three quarters of all.
    pub connections_per_address: Option<usize>,
    /// `CALLSIGN_MAX_IN_FLIGHT`.
    pub in_flight: usize,
    /// `CALLSIGN_MAX_IN_FLIGHT_PER_CALLER`; `None`: an eighth of all.
    pub in_flight_per_caller: Option<usize>,
}

impl Shedding {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let count =
            |text: &str| values::number(1, MOST)(text).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let connections = reader.optional("max_connections", count);
        let connections_per_address = reader.optional("max_connections_per_address", count);
        let in_flight = reader.required("max_in_flight", count);
        let in_flight_per_caller = reader.optional("max_in_flight_per_caller", count);
        let read = Self {
            connections: connections?,
            connections_per_address: connections_per_address?,
            in_flight: in_flight?,
            in_flight_per_caller: in_flight_per_caller?,
        };
        let pairs = [
            (read.connections_per_address, read.connections, "max_connections_per_address", "CALLSIGN_MAX_CONNECTIONS"),
            (read.in_flight_per_caller, Some(read.in_flight), "max_in_flight_per_caller", "CALLSIGN_MAX_IN_FLIGHT"),
        ];
        for (share, all, id, name) in pairs {
            if share.zip(all).is_some_and(|(share, all)| share > all) {
                let place = reader.place(id);
                return reader.refuse(place, format!("is more than {name} and would never be reached; lower it"));
            }
        }
        Ok(read)
    }
}
