//! Metrics of costs that OpenRouter's answers do not tell.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_costs_pending` | requests of the ledger whose cost is not known yet, on all nodes |
//! | `callsign_costs_never_total` | requests whose cost can never be found |
//! | `callsign_reconcile_lookups_total{result}` | look-ups of generation records: `found`, `not_yet`, `never`, `later`, `refused`, `failed` |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The result of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The record has the cost.
    Found,
    /// There is no record yet, or it has no cost yet.
    NotYet,
    /// The cost can never be found.
    Never,
    /// OpenRouter limits the rate or has an internal error.
    Later,
    /// OpenRouter refuses the key.
    Refused,
    /// The request failed, or its answer cannot be read.
    Failed,
}

impl Lookup {
    const ALL: [Self; 6] = [Self::Found, Self::NotYet, Self::Never, Self::Later, Self::Refused, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotYet => "not_yet",
            Self::Never => "never",
            Self::Later => "later",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The metrics in the module's table.
#[derive(Debug, Default)]
pub struct CostMetrics {
    /// `callsign_costs_pending`.
    pub pending: Gauge,
    /// `callsign_costs_never_total`.
    pub never: Counter,
    lookups: Family<ResultLabel, Counter>,
}

impl CostMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // Created with 0, because a rate needs the first value too.
        for result in Lookup::ALL {
            drop(self.lookups.get_or_create(&ResultLabel { result: result.name() }));
        }
        registry.register("costs_pending", "Requests whose cost is not known yet", self.pending.clone());
        registry.register("costs_never", "Requests whose cost can never be found", self.never.clone());
        registry.register("reconcile_lookups", "Look-ups of generation records, by result", self.lookups.clone());
    }

    /// Counts a look-up.
    pub fn looked_up(&self, result: Lookup) {
        self.lookups.get_or_create(&ResultLabel { result: result.name() }).inc();
    }
}
