//! The metrics of `/metrics` in the text formats of OpenMetrics and Prometheus (docs/SPEC.md#metrics).
//!
//! Label values come from fixed sets, apart from those of `spending`, which are bounded. No label holds a user or a tenant.

mod archive;
mod attribution;
pub mod audit;
pub mod costs;
mod ledger;
mod limits;
mod omitted;
pub mod read_on;
mod spending;
mod state;
mod text_format;
pub mod up;

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::runtime::Handle;

use archive::ArchiveMetrics;
use attribution::Attribution;
use callsign_core::shed::OverloadError;
use costs::CostMetrics;
use ledger::LedgerMetrics;
use limits::LimitsMetrics;
use omitted::Omitted;
use read_on::ReadOnMetrics;
use spending::SpendingMetrics;
use state::StateMetrics;
use up::Up;

use crate::alerts::Alerts;
use crate::health::Health;

/// Upper bounds of the duration histograms in seconds: from a local error to a model that reasons for minutes.
const SECONDS: [f64; 14] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    status: u16,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// All metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<EndpointLabel, Histogram>,
    first_bytes: Family<EndpointLabel, Histogram>,
    rejected: Family<CodeLabel, Counter>,
    /// Identifiers omitted although their valve is on.
    pub omitted: Omitted,
    shed: Family<ReasonLabel, Counter>,
    tasks: Gauge,
    runtimes: Mutex<Vec<Handle>>,
    /// Open connections to the data port.
    pub connections: Gauge,
    /// Requests whose response has not ended.
    pub in_flight: Gauge,
    /// Bytes of request bodies, as announced by clients.
    pub request_bytes: Counter<u64, AtomicU64>,
    /// Bytes of response bodies relayed.
    pub response_bytes: Counter<u64, AtomicU64>,
    /// Metrics of identifiers, usage and upstream connections.
    pub attribution: Attribution,
    /// Metrics of the ledger.
    pub ledger: LedgerMetrics,
    /// Metrics of costs that arrive late.
    pub costs: CostMetrics,
    /// Metrics of the archive.
    pub archive: ArchiveMetrics,
    /// Metrics of limits and blocks.
    pub limits: LimitsMetrics,
    /// Metrics of the state that nodes share.
    pub state: StateMetrics,
    /// Metrics of answers that are read on after their client has left.
    pub read_on: ReadOnMetrics,
    /// Requests and costs by model, provider and key.
    pub spending: SpendingMetrics,
    /// Alerts that wait to be sent.
    pub alerts: Arc<Alerts>,
    /// Problems of parts that have no gauge. [`Metrics::degraded`] returns all problems.
    pub health: Arc<Health>,
    /// `callsign_config_last_reload_successful`.
    pub reloaded: Up,
    audits: Counter,
    audit_failures: Counter,
    audit_unreadable: Counter,
    last_audit_failure: Mutex<Option<Instant>>,
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Self {
        let alerts = Arc::<Alerts>::default();
        let mut registry = Registry::with_prefix("callsign");
        let histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram as fn() -> Histogram),
            first_bytes: Family::new_with_constructor(histogram as fn() -> Histogram),
            rejected: Family::default(),
            omitted: Omitted::default(),
            shed: Family::default(),
            tasks: Gauge::default(),
            runtimes: Mutex::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            attribution: Attribution::new(Arc::clone(&alerts)),
            alerts,
            ledger: LedgerMetrics::default(),
            costs: CostMetrics::default(),
            archive: ArchiveMetrics::default(),
            limits: LimitsMetrics::default(),
            state: StateMetrics::default(),
            read_on: ReadOnMetrics::default(),
            spending: SpendingMetrics::default(),
            health: Arc::default(),
            reloaded: Up::default(),
            audits: Counter::default(),
            audit_failures: Counter::default(),
            audit_unreadable: Counter::default(),
            last_audit_failure: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register("build", "Version of callsign", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("requests", "Requests by endpoint, status and outcome", metrics.requests.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to the end of its response",
            seconds.clone(),
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "time_to_first_byte",
            "Time from a request's head to the head of the upstream response",
            seconds,
            metrics.first_bytes.clone(),
        );
        registry.register("rejected", "Requests that callsign refused, by error code", metrics.rejected.clone());
        metrics.omitted.register(&mut registry);
        // Created with 0, because a rate needs the first value too.
        for shed in OverloadError::ALL {
            drop(metrics.shed.get_or_create(&ReasonLabel { reason: shed.reason() }));
        }
        registry.register("shed", "Requests refused and connections closed because of overload", metrics.shed.clone());
        registry.register("tasks", "Tokio tasks alive on the threads of the data port", metrics.tasks.clone());
        registry.register("connections", "Open connections to the data port", metrics.connections.clone());
        registry.register("in_flight", "Requests whose response has not ended", metrics.in_flight.clone());
        registry.register_with_unit("request_body", "Request bodies", Unit::Bytes, metrics.request_bytes.clone());
        registry.register_with_unit("response_body", "Response bodies", Unit::Bytes, metrics.response_bytes.clone());
        metrics.attribution.register(&mut registry);
        metrics.ledger.register(&mut registry);
        metrics.costs.register(&mut registry);
        metrics.archive.register(&mut registry);
        metrics.limits.register(&mut registry);
        metrics.state.register(&mut registry);
        metrics.read_on.register(&mut registry);
        metrics.spending.register(&mut registry);
        metrics.reloaded.set(1);
        let help = "1 unless the latest reload of the configuration was refused";
        registry.register("config_last_reload_successful", help, metrics.reloaded.gauge());
        let audits = [
            ("self_audits", "Sent bodies that were checked again", &metrics.audits),
            ("self_audit_failures", "Checked bodies with unintended identifiers: a bug", &metrics.audit_failures),
            ("self_audit_unreadable", "Bodies that the second JSON parser cannot represent", &metrics.audit_unreadable),
        ];
        for (name, help, counter) in audits {
            registry.register(name, help, counter.clone());
        }
        Self { registry, ..metrics }
    }

    /// Includes the tasks of `runtime` in the metric `tasks`.
    pub fn add_runtime(&self, runtime: Handle) {
        self.runtimes.lock().push(runtime);
    }

    /// Returns all metrics in the text format of OpenMetrics 1.0.
    pub fn encode(&self) -> String {
        let runtimes = self.runtimes.lock();
        let tasks: usize = runtimes.iter().map(|runtime| runtime.metrics().num_alive_tasks()).sum();
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        drop(runtimes);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _infallible = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Returns all metrics in Prometheus' older text format, 0.0.4.
    pub fn encode_text(&self) -> String {
        text_format::from_openmetrics(&self.encode())
    }

    /// Returns the problems that do not stop callsign from serving, for `/readyz`.
    pub fn degraded(&self) -> Vec<String> {
        let parts = [
            (&self.ledger.up, "the ledger's database is unavailable; rows go to the spill file"),
            (&self.archive.up, "the archive cannot be written"),
            (&self.limits.store_up, "the store of limits is unavailable"),
            (&self.state.up, "a place of state is unavailable; the known blocks stay in force"),
            (&self.reloaded, "the changed configuration was refused; the previous one is in force"),
        ];
        let down = parts.into_iter().filter(|(up, _)| up.is_down()).map(|(_, reason)| reason.to_owned());
        down.chain(self.health.reasons()).collect()
    }

    /// Counts a request that ended. `first_byte` is the time to the head of the upstream response, if there was one.
    pub fn request(
        &self,
        endpoint: &'static str,
        status: u16,
        outcome: &'static str,
        duration: Duration,
        first_byte: Option<Duration>,
    ) {
        self.requests.get_or_create(&RequestLabels { endpoint, status, outcome }).inc();
        let label = EndpointLabel { endpoint };
        self.durations.get_or_create(&label).observe(duration.as_secs_f64());
        if let Some(first_byte) = first_byte {
            self.first_bytes.get_or_create(&label).observe(first_byte.as_secs_f64());
        }
    }

    /// Counts a request that callsign refused, by error code.
    pub fn count_refusal(&self, code: &'static str) {
        self.rejected.get_or_create(&CodeLabel { code }).inc();
    }

    /// Counts a request or connection that was refused because of overload.
    pub fn count_overload(&self, reason: &'static str) {
        self.shed.get_or_create(&ReasonLabel { reason }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_degraded_from_its_first_failure_until_it_works() {
        let metrics = Metrics::new();
        assert!(metrics.degraded().is_empty(), "no part is in use");
        metrics.ledger.up.set(0);
        metrics.health.set("part", "a problem");
        assert_eq!(
            metrics.degraded(),
            ["the ledger's database is unavailable; rows go to the spill file", "a problem"]
        );
        metrics.ledger.up.set(1);
        metrics.health.clear("part");
        metrics.reloaded.set(0);
        assert_eq!(metrics.degraded(), ["the changed configuration was refused; the previous one is in force"]);
        assert!(metrics.encode().contains("callsign_config_last_reload_successful 0\n"));
    }
}
