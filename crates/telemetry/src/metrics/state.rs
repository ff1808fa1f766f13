//! Metrics of the state that nodes share.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_state_up` | 1 while every place of state answers |
//! | `callsign_state_unreadable_entries` | entries of the block list that cannot be read |
//! | `callsign_keys_refused_rows` | rows of keys in the database whose HMAC is wrong |
//! | `callsign_state_restored_total` | entries given back to a place that had lost them |

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::up::Up;

/// The metrics in the module's table.
#[derive(Debug, Default)]
pub struct StateMetrics {
    /// `callsign_state_up`.
    pub up: Up,
    /// `callsign_state_unreadable_entries`.
    pub unreadable: Gauge,
    /// `callsign_keys_refused_rows`.
    pub refused_keys: Gauge,
    /// `callsign_state_restored_total`.
    pub restored: Counter,
}

impl StateMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("state_up", "1 while every place of state answers", self.up.gauge());
        let help = "Entries of the block list that cannot be read";
        registry.register("state_unreadable_entries", help, self.unreadable.clone());
        let help = "Rows of keys in the database whose HMAC is wrong";
        registry.register("keys_refused_rows", help, self.refused_keys.clone());
        let help = "Entries given back to a place of state that had lost them";
        registry.register("state_restored", help, self.restored.clone());
    }
}
