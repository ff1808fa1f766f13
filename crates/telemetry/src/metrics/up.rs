//! A gauge that is 1 while a part of callsign works.

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_client::metrics::gauge::Gauge;

/// A gauge that is 1 while a part works. `/readyz` reports the part as degraded while it is 0, but not before the part
/// has set it: a part that is off never does.
#[derive(Debug, Default)]
pub struct Up {
    gauge: Gauge,
    is_used: AtomicBool,
}

impl Up {
    /// Sets the gauge to 1 or 0.
    pub fn set(&self, up: i64) {
        self.gauge.set(up);
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// Returns true if the part is in use and does not work.
    pub fn is_down(&self) -> bool {
        self.is_used.load(Ordering::Relaxed) && self.gauge.get() == 0
    }

    /// Returns the gauge, for the registry.
    pub(super) fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }
}
