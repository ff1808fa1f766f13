//! Answers that the operator pays, by model, provider and key, as sums over all users. A label has at most 200 names;
//! further ones are `other`. Costs that only a generation record tells are in the ledger alone.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_model_requests_total{model,provider}` | answers, by the model and the provider that they name |
//! | `callsign_model_cost_nano_usd_total{model,provider}` | what they cost, in billionths of a dollar |
//! | `callsign_key_requests_total{key}` | answers, by the name of an app's key; `other` for personal keys, whose names may name users, and tokens |
//! | `callsign_key_cost_nano_usd_total{key}` | what they cost, in billionths of a dollar |

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use callsign_core::usage::money::NanoUsd;

/// Maximum number of names of a label.
const MOST_NAMES: usize = 200;
/// Stands for an unknown name, and for all names beyond the maximum.
const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: Arc<str>,
    provider: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabel {
    key: Arc<str>,
}

/// The names of one label.
#[derive(Debug)]
struct Names {
    known: Mutex<HashSet<Arc<str>>>,
    other: Arc<str>,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: Mutex::default(), other: OTHER.into() }
    }
}

impl Names {
    /// Returns the label's value for a name.
    fn label(&self, name: Option<&str>) -> Arc<str> {
        let is_plain = |name: &&str| name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let Some(name) = name.filter(is_plain) else { return Arc::clone(&self.other) };
        let mut known = self.known.lock();
        if let Some(known) = known.get(name) {
            return Arc::clone(known);
        }
        if known.len() >= MOST_NAMES {
            return Arc::clone(&self.other);
        }
        let name: Arc<str> = name.into();
        known.insert(Arc::clone(&name));
        name
    }
}

/// A group of requests and what they cost.
#[derive(Debug)]
struct Sums<L> {
    requests: Family<L, Counter>,
    cost: Family<L, Counter>,
}

impl<L: Clone + std::hash::Hash + Eq> Default for Sums<L> {
    fn default() -> Self {
        Self { requests: Family::default(), cost: Family::default() }
    }
}

impl<L: Clone + std::hash::Hash + Eq> Sums<L> {
    fn add(&self, labels: &L, cost: u64) {
        self.requests.get_or_create(labels).inc();
        self.cost.get_or_create(labels).inc_by(cost);
    }
}

/// The metrics in the module's table.
#[derive(Debug, Default)]
pub struct SpendingMetrics {
    models: Names,
    providers: Names,
    keys: Names,
    by_model: Sums<ModelLabels>,
    by_key: Sums<KeyLabel>,
}

impl SpendingMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { by_model, by_key, .. } = self;
        let cost = "What they cost, in billionths of a dollar";
        let answers = "Answers that the operator pays, by model and provider";
        registry.register("model_requests", answers, by_model.requests.clone());
        registry.register("model_cost_nano_usd", cost, by_model.cost.clone());
        registry.register(
            "key_requests",
            "Answers that the operator pays, by the key of an app",
            by_key.requests.clone(),
        );
        registry.register("key_cost_nano_usd", cost, by_key.cost.clone());
    }

    /// Counts an answer that the operator pays. `key` is the name of an app's key.
    pub fn count(&self, (model, provider): (Option<&str>, Option<&str>), key: Option<&str>, cost: Option<NanoUsd>) {
        // A counter only grows, so refunds are visible in the ledger only.
        let cost = cost.and_then(|cost| u64::try_from(cost.0).ok()).unwrap_or_default();
        let labels = ModelLabels { model: self.models.label(model), provider: self.providers.label(provider) };
        self.by_model.add(&labels, cost);
        self.by_key.add(&KeyLabel { key: self.keys.label(key) }, cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_names_are_other_and_no_cost_is_lost() {
        let mut registry = Registry::default();
        let metrics = SpendingMetrics::default();
        metrics.register(&mut registry);
        for number in 0..MOST_NAMES + 7 {
            let name = format!("m/{number}");
            metrics.count((Some(&name), Some("P")), Some("app"), Some(NanoUsd(2)));
        }
        metrics.count((None, Some("P\n")), Some("app"), Some(NanoUsd(-5)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "model_requests_total{model=\"m/0\",provider=\"P\"} 1",
            "model_cost_nano_usd_total{model=\"other\",provider=\"P\"} 14",
            "model_requests_total{model=\"other\",provider=\"other\"} 1",
            "key_requests_total{key=\"app\"} 208",
            "key_cost_nano_usd_total{key=\"app\"} 414",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
        assert!(!text.contains("m/200"));
    }
}
