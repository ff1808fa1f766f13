//! The numbers of limits and blocks.
//!
//! | name | what |
//! |---|---|
//! | `callsign_limits_refused_total{limit}` | requests refused because a limit was reached |
//! | `callsign_limits_would_refuse_total{limit}` | those that a dry run let pass |
//! | `callsign_limits_blocked_total` | requests of callers who are stopped |
//! | `callsign_limits_cut_total` | running answers that a block has cut |
//! | `callsign_limits_suspended_total` | users whom the breaker has suspended |
//! | `callsign_limits_unsettled_total` | ends of requests that were dropped; their estimates stay charged |
//! | `callsign_limits_store_up` | 1 while the shared store answers |
//! | `callsign_limits_store_failures_total` | how often it was found to be away |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::limits::Limit;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LimitsMetrics {
    refused: Family<LimitLabel, Counter>,
    would_refuse: Family<LimitLabel, Counter>,
    pub(crate) blocked: Counter,
    pub(crate) cut: Counter,
    pub(crate) suspended: Counter,
    pub(crate) unsettled: Counter,
    pub(crate) store_failures: Counter,
    pub(crate) store_up: Gauge,
}

impl LimitsMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // From zero on, as `attribution` says.
        for limit in Limit::ALL {
            for family in [&self.refused, &self.would_refuse] {
                drop(family.get_or_create(&LimitLabel { limit: limit.name() }));
            }
        }
        registry.register("limits_refused", "Requests refused because a limit was reached", self.refused.clone());
        registry.register("limits_would_refuse", "Those that a dry run let pass", self.would_refuse.clone());
        let counters = [
            ("limits_blocked", "Requests of callers who are stopped", &self.blocked),
            ("limits_cut", "Running answers that a block has cut", &self.cut),
            ("limits_suspended", "Users whom the breaker has suspended", &self.suspended),
            ("limits_unsettled", "Ends of requests that were dropped; their estimates stay charged", &self.unsettled),
            ("limits_store_failures", "How often the shared store was found to be away", &self.store_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("limits_store_up", "Whether the shared store of limits answers", self.store_up.clone());
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, limit: Limit) {
        self.refused.get_or_create(&LimitLabel { limit: limit.name() }).inc();
    }

    /// Counts what would be one.
    pub(crate) fn would_refuse(&self, limit: Limit) {
        self.would_refuse.get_or_create(&LimitLabel { limit: limit.name() }).inc();
    }
}
