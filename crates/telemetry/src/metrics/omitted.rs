//! Counts identifiers that were omitted although their valve is on, by field and reason.
//!
//! Many requests omit several identifiers, so each counter is looked up in the family only once.

use std::sync::OnceLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use callsign_core::identity::{Omission, Reason};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    field: &'static str,
    reason: &'static str,
}

const REASONS: usize = Reason::ALL.len();

/// The counters, by field and reason.
#[derive(Debug, Default)]
pub struct Omitted {
    family: Family<Labels, Counter>,
    /// The family's counters, each present after its first use.
    counters: [[OnceLock<Counter>; REASONS]; Omission::FIELDS],
}

impl Omitted {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Identifiers omitted although their valve is on, by field and reason";
        registry.register("identifiers_omitted", help, self.family.clone());
    }

    /// Returns the number of omitted identifiers since the start, by reason, in the order of `Reason::ALL`.
    pub fn by_reason(&self) -> Vec<(&'static str, u64)> {
        let of = |reason: Reason| {
            let counters = self.counters.iter().filter_map(|of_field| of_field[reason as usize].get());
            (reason.name(), counters.map(Counter::get).sum())
        };
        Reason::ALL.into_iter().map(of).collect()
    }

    /// Counts an omitted identifier.
    pub fn count(&self, omission: Omission) {
        let labels = || Labels { field: omission.field(), reason: omission.reason.name() };
        let counter = || self.family.get_or_create(&labels()).clone();
        self.counters[omission.index()][omission.reason as usize].get_or_init(counter).inc();
    }
}
