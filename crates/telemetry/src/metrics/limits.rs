//! Metrics of limits and blocks.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_limits_refused_total{limit}` | requests refused because a limit was reached |
//! | `callsign_limits_would_refuse_total{limit}` | requests over a limit that passed because of the dry run |
//! | `callsign_limits_warned_total{limit}` | budgets of which 80 % were used, once for each subject and period |
//! | `callsign_limits_blocked_total` | refused requests of blocked callers |
//! | `callsign_limits_cut_total` | running responses that a block ended |
//! | `callsign_limits_suspended_total` | users blocked automatically (`limits.auto_block_*`) |
//! | `callsign_limits_unsettled_total` | reservations that were not settled; their estimates stay charged |
//! | `callsign_limits_priced_models` | models whose list price is known, for estimates of cost |
//! | `callsign_limits_store_up` | 1 while the shared store of limits is reachable |
//! | `callsign_limits_store_failures_total` | failures of the shared store of limits |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::up::Up;
use callsign_core::allowance::Limit;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

/// The metrics in the module's table.
#[derive(Debug, Default)]
pub struct LimitsMetrics {
    refused: Family<LimitLabel, Counter>,
    would_refuse: Family<LimitLabel, Counter>,
    warned: Family<LimitLabel, Counter>,
    /// `callsign_limits_blocked_total`.
    pub blocked: Counter,
    /// `callsign_limits_cut_total`.
    pub cut: Counter,
    /// `callsign_limits_suspended_total`.
    pub suspended: Counter,
    /// `callsign_limits_unsettled_total`.
    pub unsettled: Counter,
    /// `callsign_limits_store_failures_total`.
    pub store_failures: Counter,
    /// `callsign_limits_priced_models`.
    pub priced_models: Gauge,
    /// `callsign_limits_store_up`.
    pub store_up: Up,
}

impl LimitsMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // Created with 0, because a rate needs the first value too.
        for limit in Limit::ALL {
            for family in [&self.refused, &self.would_refuse, &self.warned] {
                drop(family.get_or_create(&LimitLabel { limit: limit.name() }));
            }
        }
        registry.register("limits_refused", "Requests refused because a limit was reached", self.refused.clone());
        registry.register("limits_would_refuse", "Requests over a limit in the dry run", self.would_refuse.clone());
        registry.register("limits_warned", "Budgets of which 80 % were used", self.warned.clone());
        let counters = [
            ("limits_blocked", "Refused requests of blocked callers", &self.blocked),
            ("limits_cut", "Running responses that a block ended", &self.cut),
            ("limits_suspended", "Users blocked automatically (limits.auto_block_*)", &self.suspended),
            ("limits_unsettled", "Reservations not settled; their estimates stay charged", &self.unsettled),
            ("limits_store_failures", "Failures of the shared store of limits", &self.store_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("limits_priced_models", "Models whose list price is known", self.priced_models.clone());
        registry.register("limits_store_up", "1 while the shared store of limits is reachable", self.store_up.gauge());
    }

    /// Counts a request refused by the limit of this name.
    pub fn refused(&self, limit: &'static str) {
        self.refused.get_or_create(&LimitLabel { limit }).inc();
    }

    /// Counts a request that the limit of this name would refuse without the dry run.
    pub fn would_refuse(&self, limit: &'static str) {
        self.would_refuse.get_or_create(&LimitLabel { limit }).inc();
    }

    /// Counts a budget of which 80 % were used.
    pub fn warned(&self, limit: &'static str) {
        self.warned.get_or_create(&LimitLabel { limit }).inc();
    }
}
