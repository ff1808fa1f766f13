//! Parses the limits on connections and requests in flight.

use super::reader::{Reader, Reported};
use super::values;
use callsign_gateway::shed::Settings;

/// Maximum of each limit, above what any machine can serve.
const MOST: u64 = 1_000_000;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, Reported> {
    let count = |text: &str| values::number(1, MOST)(text).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let connections = reader.optional("max_connections", count);
    let connections_per_address = reader.optional("max_connections_per_address", count);
    let in_flight = reader.required("max_in_flight", count);
    let in_flight_per_caller = reader.optional("max_in_flight_per_caller", count);
    let read = Settings {
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
            return reader.refuse(place, format!("is more than {name}; lower it to at most that"));
        }
    }
    Ok(read)
}
