//! Metrics of identifiers, usage and upstream connections, summed over all callers. No label identifies a caller.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_identifiers_written_total{field}` | identifiers sent upstream |
//! | `callsign_attributed_requests_total{attribution}` | inference requests sent upstream: `present`, `shared`, `absent`, `omitted` |
//! | `callsign_unusable_ids_total{field,reason}` | identity headers that were sent but name nobody |
//! | `callsign_operator_key_refused_total{status}` | OpenRouter's refusals of the operator's or a tenant's key: 401, 402, 403 |
//! | `callsign_generations_total` | responses with a generation id |
//! | `callsign_tokens_total{kind}` | tokens: `prompt` (includes `cached`), `completion` (includes `reasoning`) |
//! | `callsign_cost_nano_usd_total` | OpenRouter's charges in billionths of a dollar, so that sums are exact integers |
//! | `callsign_upstream_connections` | open connections to the upstream, including idle ones in the pool |
//! | `callsign_upstream_connections_opened_total` | connections opened to the upstream |

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use callsign_core::auth::UnusableId;
use callsign_core::auth::identity_header::Unusable;
use callsign_core::identity::Identifiers;
use callsign_core::identity::attribution::Attribution as Attributed;
use callsign_core::identity::caller_identity::Field;
use callsign_core::identity::identifier::PerIdentifier;
use callsign_core::usage::Usage;

use crate::alerts::{Alert, AlertKind, Alerts};
use crate::logging::Untrusted;
use crate::throttle::Throttle;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FieldLabel {
    field: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttributionLabel {
    attribution: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnusableLabels {
    field: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The metrics in the module's table.
#[derive(Debug)]
pub struct Attribution {
    written: Family<FieldLabel, Counter>,
    /// The counters in `written`. Looking one up costs more than counting.
    written_by: PerIdentifier<Option<Counter>>,
    requests: Family<AttributionLabel, Counter>,
    /// The counters in `requests`, in the order of [`Attributed::ALL`].
    requests_by: [Counter; Attributed::ALL.len()],
    unusable: Family<UnusableLabels, Counter>,
    key_refusals: Family<StatusLabel, Counter>,
    generations: Counter,
    tokens: Family<KindLabel, Counter>,
    cost: Counter,
    connections: Gauge,
    opened: Counter,
    unattributed: Throttle,
    alerts: Arc<Alerts>,
    unusable_told: Throttle,
}

impl Attribution {
    /// Creates the metrics. `alerts` tells the operator of requests without a user.
    pub(super) fn new(alerts: Arc<Alerts>) -> Self {
        // Created with 0, because a rate needs the first value too.
        let (written, requests) = (Family::<FieldLabel, Counter>::default(), Family::<_, Counter>::default());
        let written_by = PerIdentifier::from_fn(|row| {
            row.metadata.is_some().then(|| written.get_or_create_owned(&FieldLabel { field: row.label }))
        });
        let requests_by = Attributed::ALL
            .map(|attribution| requests.get_or_create_owned(&AttributionLabel { attribution: attribution.name() }));
        Self {
            alerts,
            written,
            written_by,
            requests,
            requests_by,
            unusable: Family::default(),
            key_refusals: Family::default(),
            generations: Counter::default(),
            tokens: Family::default(),
            cost: Counter::default(),
            connections: Gauge::default(),
            opened: Counter::default(),
            unattributed: Throttle::new(Duration::from_hours(1)),
            unusable_told: Throttle::new(Duration::from_hours(1)),
        }
    }
}

impl Attribution {
    pub(super) fn register(&self, registry: &mut Registry) {
        for kind in ["prompt", "completion", "cached", "reasoning"] {
            drop(self.tokens.get_or_create(&KindLabel { kind }));
        }
        for status in [401, 402, 403] {
            drop(self.key_refusals.get_or_create(&StatusLabel { status }));
        }
        let requests = "Inference requests sent upstream, by the attribution to a user";
        registry.register("attributed_requests", requests, self.requests.clone());
        for field in Field::IDS {
            for reason in Unusable::ALL {
                drop(self.unusable.get_or_create(&UnusableLabels { field: field.name(), reason: reason.name() }));
            }
        }
        let unusable = "Identity headers that were sent but name nobody, by id and reason";
        registry.register("unusable_ids", unusable, self.unusable.clone());
        let refusals = "OpenRouter's refusals of the operator's or a tenant's key, by status";
        registry.register("operator_key_refused", refusals, self.key_refusals.clone());
        registry.register("identifiers_written", "Identifiers sent upstream", self.written.clone());
        registry.register("generations", "Responses with a generation id", self.generations.clone());
        let tokens = "Tokens; prompt includes cached, completion includes reasoning";
        registry.register("tokens", tokens, self.tokens.clone());
        registry.register("cost_nano_usd", "OpenRouter's charges in billionths of a dollar", self.cost.clone());
        registry.register("upstream_connections", "Open connections to the upstream", self.connections.clone());
        registry.register("upstream_connections_opened", "Connections opened to the upstream", self.opened.clone());
    }

    /// Counts the tokens and the cost of a response.
    pub fn add_usage(&self, usage: &Usage) {
        let kinds = [
            ("prompt", usage.prompt_tokens),
            ("completion", usage.completion_tokens),
            ("cached", usage.cached_tokens),
            ("reasoning", usage.reasoning_tokens),
        ];
        for (kind, tokens) in kinds {
            if let Some(tokens) = tokens {
                self.tokens.get_or_create(&KindLabel { kind }).inc_by(tokens);
            }
        }
        // A counter only grows, so negative costs (refunds) are visible in the ledger only.
        self.cost.inc_by(usage.cost.and_then(|cost| u64::try_from(cost.0).ok()).unwrap_or(0));
    }

    /// Counts a response with a generation id.
    pub fn count_generation(&self) {
        self.generations.inc();
    }

    /// Counts the identifiers of a request that is sent upstream.
    pub fn count_identifiers(&self, identifiers: &Identifiers<'_>) {
        for identifier in identifiers.sent() {
            if let Some(written) = &self.written_by[identifier] {
                written.inc();
            }
        }
    }

    /// Counts an inference request that is sent upstream. Warns once an hour about each `key` whose requests have no user
    /// id; without a `key` it does not warn.
    pub fn count_request(&self, attribution: Attributed, key: Option<&str>, now: Instant) {
        self.requests_by[attribution as usize].inc();
        if let Some(key) = key.filter(|key| attribution.lacks_user_id() && self.unattributed.passes(key, now)) {
            self.alerts.raise(|| Alert::new(AlertKind::Unattributed, key));
            tracing::warn!(
                key = %Untrusted(key),
                user = attribution.name(),
                "a request has no user id; check that the app sends its user's id, or set \
                 CALLSIGN_MISSING_USER=reject to refuse such requests (logged once an hour for each key)"
            );
        }
    }

    /// Counts an identity header that was sent but names nobody. Warns once an hour about each header of each `key`.
    pub fn count_unusable(&self, unusable: UnusableId<'_>, key: &str, now: Instant) {
        let (field, reason) = (unusable.field.name(), unusable.reason.name());
        self.unusable.get_or_create(&UnusableLabels { field, reason }).inc();
        let header = unusable.header.as_str();
        if self.unusable_told.passes(&format!("{key} {header}"), now) {
            tracing::warn!(
                key = %Untrusted(key),
                header,
                reason,
                "the {field} id of a request is unusable: {} (logged once an hour for each key and header)",
                unusable.reason
            );
        }
    }

    /// Counts a refusal of the operator's or a tenant's key.
    pub fn count_key_refusal(&self, status: u16) {
        self.key_refusals.get_or_create(&StatusLabel { status }).inc();
    }

    /// Counts an opened connection to the upstream, which is open until [`Attribution::upstream_closed`].
    pub fn upstream_opened(&self) {
        self.opened.inc();
        self.connections.inc();
    }

    /// Counts a closed connection to the upstream.
    pub fn upstream_closed(&self) {
        self.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use callsign_core::endpoint::Inference;
    use callsign_core::identity::caller_identity::CallerIdentity;
    use callsign_core::identity::identifier::PerIdentifier;
    use callsign_core::identity::valve::Valves;
    use callsign_core::identity::{Formats, Policy};
    use callsign_core::usage::money::NanoUsd;

    fn has(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.encode();
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line} in {text}");
        }
    }

    #[test]
    fn tokens_and_cost_are_exact_sums() {
        let metrics = Metrics::new();
        let usage = |prompt, cached, cost| Usage {
            prompt_tokens: prompt,
            completion_tokens: Some(7),
            cached_tokens: cached,
            reasoning_tokens: None,
            cost,
            ..Usage::default()
        };
        metrics.attribution.add_usage(&usage(Some(100), Some(40), Some(NanoUsd(9_007_199_254_740_993))));
        metrics.attribution.add_usage(&usage(Some(1), None, Some(NanoUsd(-5))));
        metrics.attribution.add_usage(&usage(None, None, None));
        metrics.attribution.count_generation();
        metrics.attribution.upstream_opened();
        metrics.attribution.upstream_opened();
        metrics.attribution.upstream_closed();
        has(
            &metrics,
            &[
                "callsign_tokens_total{kind=\"prompt\"} 101",
                "callsign_tokens_total{kind=\"completion\"} 21",
                "callsign_tokens_total{kind=\"cached\"} 40",
                "callsign_tokens_total{kind=\"reasoning\"} 0",
                "callsign_cost_nano_usd_total 9007199254740993",
                "callsign_generations_total 1",
                "callsign_upstream_connections 1",
                "callsign_upstream_connections_opened_total 2",
            ],
        );
    }

    #[test]
    fn identifiers_that_an_endpoint_does_not_carry_are_not_counted() {
        let mut policy = Policy::new(Formats::defaults().unwrap());
        policy.valves =
            Valves { identifiers: PerIdentifier::from_fn(|row| row.metadata.is_some()), ..Valves::default() };
        let metrics = Metrics::new();
        for endpoint in ["chat", "messages", "embeddings", "rerank"] {
            let fields = Inference::find_by_name(endpoint).unwrap().fields;
            metrics.attribution.count_identifiers(&policy.identify(&CallerIdentity::SAMPLE, &[], fields).unwrap());
        }
        has(
            &metrics,
            &[
                "callsign_identifiers_written_total{field=\"user_id\"} 4",
                "callsign_identifiers_written_total{field=\"session_id\"} 4",
                "callsign_identifiers_written_total{field=\"chat_id\"} 1",
                "callsign_identifiers_written_total{field=\"message_id\"} 1",
            ],
        );
    }
}
