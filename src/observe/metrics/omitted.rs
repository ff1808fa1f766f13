//! Identifiers that were left out although their valve is on, by field and reason.
//!
//! A caller who brings little leaves out most of them with every request, so each counter is looked up once.

use std::sync::OnceLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::identifiers::{Omission, Reason};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    field: &'static str,
    reason: &'static str,
}

const FIELDS: usize = Omission::FIELDS.len();
const REASONS: usize = Reason::ALL.len();

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Omitted {
    family: Family<Labels, Counter>,
    /// There from the first one on, as their lines are.
    counters: [[OnceLock<Counter>; REASONS]; FIELDS],
}

impl Omitted {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Identifiers whose valve is on and that were not written, by reason";
        registry.register("identifiers_omitted", help, self.family.clone());
    }
}

impl Metrics {
    /// How many identifiers were left out since the start, by reason; in a fixed order.
    pub fn omitted_by_reason(&self) -> Vec<(&'static str, u64)> {
        let of = |reason: Reason| {
            let counters = self.omitted.counters.iter().filter_map(|of_field| of_field[reason as usize].get());
            (reason.name(), counters.map(Counter::get).sum())
        };
        Reason::ALL.into_iter().map(of).collect()
    }

    /// Counts one that was left out.
    pub(in crate::observe) fn omitted(&self, omission: Omission) {
        let Omission { field, reason } = omission;
        let Some(of_field) = Omission::FIELDS.iter().position(|known| *known == field) else { return };
        let counter = || self.omitted.family.get_or_create(&Labels { field, reason: reason.name() }).clone();
        self.omitted.counters[of_field][reason as usize].get_or_init(counter).inc();
    }
}
