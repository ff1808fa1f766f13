//! Metrics of the ledger.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_ledger_rows_total` | finished requests that the database committed |
//! | `callsign_ledger_spilled_total` | rows written to the spill file instead, including rows of running requests |
//! | `callsign_ledger_held` | rows that wait in memory, because neither the database nor the spill file takes them |
//! | `callsign_ledger_late_total` | responses that strict mode released before their row was stored |
//! | `callsign_ledger_lost_total` | finished requests without a row: too many waited, or the process ended before |
//! | `callsign_ledger_failures_total` | failures of the database |
//! | `callsign_ledger_collisions_total` | users whose identifier is the same as another user's |
//! | `callsign_ledger_rejected_total` | rows that the database refused; they are stored without names |
//! | `callsign_ledger_up` | 1 while the database accepts rows |
//! | `callsign_ledger_queue` | rows of the latest batch |
//! | `callsign_ledger_lag_seconds` | time from the end of a request to its commit; the longest of the latest batch |

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::up::Up;

/// The metrics in the module's table.
#[derive(Debug, Default)]
pub struct LedgerMetrics {
    /// `callsign_ledger_rows_total`.
    pub rows: Counter,
    /// `callsign_ledger_spilled_total`.
    pub spilled: Counter,
    /// `callsign_ledger_held`.
    pub held: Gauge,
    /// `callsign_ledger_late_total`.
    pub late: Counter,
    /// `callsign_ledger_lost_total`.
    pub lost: Counter,
    /// `callsign_ledger_failures_total`.
    pub failures: Counter,
    /// `callsign_ledger_collisions_total`.
    pub collisions: Counter,
    /// `callsign_ledger_rejected_total`.
    pub rejected: Counter,
    /// `callsign_ledger_up`.
    pub up: Up,
    /// `callsign_ledger_queue`.
    pub queue: Gauge,
    lag: Gauge<f64, AtomicU64>,
}

impl LedgerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let counters = [
            ("ledger_rows", "Finished requests that the ledger's database committed", &self.rows),
            ("ledger_spilled", "Rows written to the ledger's spill file instead of its database", &self.spilled),
            ("ledger_late", "Responses that strict mode released before their row was stored", &self.late),
            ("ledger_lost", "Finished requests without a row in the ledger or its spill file", &self.lost),
            ("ledger_failures", "Failures of the ledger's database", &self.failures),
            ("ledger_collisions", "Users whose identifier is the same as another user's", &self.collisions),
            ("ledger_rejected", "Rows that the ledger's database refused, stored without names", &self.rejected),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("ledger_up", "1 while the ledger's database accepts rows", self.up.gauge());
        registry.register(
            "ledger_held",
            "Rows that wait in memory, because neither the ledger's database nor its spill file takes them",
            self.held.clone(),
        );
        registry.register("ledger_queue", "Rows of the ledger's latest batch", self.queue.clone());
        registry.register_with_unit(
            "ledger_lag",
            "Time from the end of a request to its commit; the longest of the latest batch",
            Unit::Seconds,
            self.lag.clone(),
        );
    }

    /// Sets the lag of the oldest row of a batch.
    pub fn lag(&self, microseconds: i64) {
        let seconds = std::time::Duration::from_micros(u64::try_from(microseconds).unwrap_or_default()).as_secs_f64();
        self.lag.set(seconds);
    }
}
