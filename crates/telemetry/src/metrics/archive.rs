//! Metrics of the archive.
//!
//! | name | meaning |
//! |---|---|
//! | `callsign_archive_written_total` | archived requests that are on disk |
//! | `callsign_archive_lost_total{reason}` | requests that were not archived: `memory`, `queue`, `disk`, `closing` |
//! | `callsign_archive_truncated_total{reason}` | bodies archived only in part: `size`, `memory` |
//! | `callsign_archive_failures_total` | failed writes; each is retried |
//! | `callsign_archive_removed_total` | archives deleted because of their age |
//! | `callsign_archive_up` | 1 while writes succeed |
//! | `callsign_archive_queue` | ended requests that wait to be written |
//! | `callsign_archive_memory_bytes` | memory of running and queued requests until they are written |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::up::Up;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Values of `reason` for lost requests.
const LOST: [&str; 4] = ["memory", "queue", "disk", "closing"];
/// Values of `reason` for truncated bodies.
const TRUNCATED: [&str; 2] = ["size", "memory"];

/// The metrics in the module's table.
#[derive(Debug, Default)]
pub struct ArchiveMetrics {
    /// `callsign_archive_written_total`.
    pub written: Counter,
    lost: Family<ReasonLabel, Counter>,
    truncated: Family<ReasonLabel, Counter>,
    /// `callsign_archive_failures_total`.
    pub failures: Counter,
    /// `callsign_archive_removed_total`.
    pub removed: Counter,
    /// `callsign_archive_up`.
    pub up: Up,
    /// `callsign_archive_queue`.
    pub queue: Gauge,
    /// `callsign_archive_memory_bytes`.
    pub memory: Gauge,
}

impl ArchiveMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // Created with 0, because a rate needs the first value too.
        for reason in LOST {
            drop(self.lost.get_or_create(&ReasonLabel { reason }));
        }
        for reason in TRUNCATED {
            drop(self.truncated.get_or_create(&ReasonLabel { reason }));
        }
        let counters = [
            ("archive_written", "Archived requests that are on disk", &self.written),
            ("archive_failures", "Failed writes of the archive; each is retried", &self.failures),
            ("archive_removed", "Archives deleted because of their age", &self.removed),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("archive_lost", "Requests that were not archived, by reason", self.lost.clone());
        registry.register("archive_truncated", "Bodies archived only in part, by reason", self.truncated.clone());
        registry.register("archive_up", "1 while archives are written", self.up.gauge());
        registry.register("archive_queue", "Ended requests that wait to be archived", self.queue.clone());
        registry.register_with_unit(
            "archive_memory",
            "Memory of running and queued requests until they are archived",
            Unit::Bytes,
            self.memory.clone(),
        );
    }

    /// Counts requests that were not archived; `reason` is one of `LOST`.
    pub fn lost(&self, reason: &'static str, requests: u64) {
        self.lost.get_or_create(&ReasonLabel { reason }).inc_by(requests);
    }

    /// Returns the number of requests that were not archived, for all reasons.
    pub fn all_lost(&self) -> u64 {
        LOST.iter().map(|reason| self.lost.get_or_create(&ReasonLabel { reason }).get()).sum()
    }

    /// Counts a body that is archived only in part; `reason` is one of `TRUNCATED`.
    pub fn truncated(&self, reason: &'static str) {
        self.truncated.get_or_create(&ReasonLabel { reason }).inc();
    }
}
