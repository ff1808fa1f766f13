//! The archive's numbers.
//!
//! | name | what |
//! |---|---|
//! | `callsign_archive_written_total` | requests whose archive is on the disk |
//! | `callsign_archive_lost_total` | requests that should have been archived and were not, by `reason`: `memory`, `queue`, `disk`, `closing` |
//! | `callsign_archive_truncated_total` | bodies that are archived in part, by `reason`: `size`, `memory` |
//! | `callsign_archive_failures_total` | how often an archive could not be written; it is tried again |
//! | `callsign_archive_removed_total` | archives removed because of their age |
//! | `callsign_archive_up` | 1 while archives are written |
//! | `callsign_archive_queue` | requests that have ended and wait to be written |
//! | `callsign_archive_memory_bytes` | what requests take until they are written, running ones among them |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Why requests are lost, and bodies truncated.
const LOST: [&str; 4] = ["memory", "queue", "disk", "closing"];
const TRUNCATED: [&str; 2] = ["size", "memory"];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ArchiveMetrics {
    pub(crate) written: Counter,
    lost: Family<ReasonLabel, Counter>,
    truncated: Family<ReasonLabel, Counter>,
    pub(crate) failures: Counter,
    pub(crate) removed: Counter,
    pub(crate) up: Gauge,
    pub(crate) queue: Gauge,
    pub(crate) memory: Gauge,
}

impl ArchiveMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // From zero on, as `attribution` says.
        for reason in LOST {
            drop(self.lost.get_or_create(&ReasonLabel { reason }));
        }
        for reason in TRUNCATED {
            drop(self.truncated.get_or_create(&ReasonLabel { reason }));
        }
        let counters = [
            ("archive_written", "Requests whose archive is on the disk", &self.written),
            ("archive_failures", "How often an archive could not be written", &self.failures),
            ("archive_removed", "Archives removed because of their age", &self.removed),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("archive_lost", "Requests that should have been archived and were not", self.lost.clone());
        registry.register("archive_truncated", "Bodies that are archived in part", self.truncated.clone());
        registry.register("archive_up", "Whether archives are written", self.up.clone());
        registry.register("archive_queue", "Ended requests that wait to be archived", self.queue.clone());
        registry.register_with_unit(
            "archive_memory",
            "What requests take until they are archived",
            Unit::Bytes,
            self.memory.clone(),
        );
    }

    pub(crate) fn lost(&self, reason: &'static str, requests: u64) {
        self.lost.get_or_create(&ReasonLabel { reason }).inc_by(requests);
    }

    pub(crate) fn all_lost(&self) -> u64 {
        LOST.iter().map(|reason| self.lost.get_or_create(&ReasonLabel { reason }).get()).sum()
    }

    pub(crate) fn truncated(&self, reason: &'static str) {
        self.truncated.get_or_create(&ReasonLabel { reason }).inc();
    }
}
