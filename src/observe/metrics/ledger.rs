//! The ledger's numbers.
//!
//! | name | what |
//! |---|---|
//! | `callsign_ledger_rows_total` | finished requests that the database has taken |
//! | `callsign_ledger_spilled_total` | rows, begun ones among them, that went to the spill file |
//! | `callsign_ledger_lost_total` | finished requests that neither took |
//! | `callsign_ledger_failures_total` | how often the database failed |
//! | `callsign_ledger_collisions_total` | users found to share an identifier with another one |
//! | `callsign_ledger_up` | 1 while the database takes rows |
//! | `callsign_ledger_queue` | rows of the latest batch |
//! | `callsign_ledger_lag_seconds` | from the end of a request to its commit, the oldest of the latest batch |

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LedgerMetrics {
    pub(crate) rows: Counter,
    pub(crate) spilled: Counter,
    pub(crate) lost: Counter,
    pub(crate) failures: Counter,
    pub(crate) collisions: Counter,
    pub(crate) up: Gauge,
    pub(crate) queue: Gauge,
    lag: Gauge<f64, AtomicU64>,
}

impl LedgerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let counters = [
            ("ledger_rows", "Finished requests that the ledger's database has taken", &self.rows),
            ("ledger_spilled", "Rows that went to the ledger's spill file instead", &self.spilled),
            ("ledger_lost", "Finished requests that neither took", &self.lost),
            ("ledger_failures", "How often the ledger's database failed", &self.failures),
            ("ledger_collisions", "Users found to share an identifier with another one", &self.collisions),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("ledger_up", "Whether the ledger's database takes rows", self.up.clone());
        registry.register("ledger_queue", "Rows of the ledger's latest batch", self.queue.clone());
        registry.register_with_unit(
            "ledger_lag",
            "From the end of a request to its commit, the oldest of the latest batch",
            Unit::Seconds,
            self.lag.clone(),
        );
    }

    /// Notes how long the oldest of a batch has waited.
    pub(crate) fn lag(&self, microseconds: i64) {
        let seconds = std::time::Duration::from_micros(u64::try_from(microseconds).unwrap_or_default()).as_secs_f64();
        self.lag.set(seconds);
    }
}
