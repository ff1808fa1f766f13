//! Metrics of the self-audit (docs/SPEC.md#self-audit).

use std::time::{Duration, Instant};

use super::Metrics;

/// A failed audit makes `/readyz` answer 503 for this long (docs/SPEC.md#self-audit).
pub const FAILURE_PERIOD: Duration = Duration::from_mins(10);

/// The result of a self-audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The body has exactly the intended identifiers.
    Passed,
    /// The body has unintended identifiers: a bug of callsign.
    Failed,
    /// `serde_json` cannot represent the body (a lone surrogate in a name). Clients may send that, so it is no failure.
    Unreadable,
}

impl Metrics {
    /// Counts an audit that ended at `now`.
    pub fn audited(&self, finding: Finding, now: Instant) {
        self.audits.inc();
        match finding {
            Finding::Passed => {}
            Finding::Failed => {
                self.audit_failures.inc();
                *self.last_audit_failure.lock() = Some(now);
            }
            Finding::Unreadable => {
                self.audit_unreadable.inc();
            }
        }
    }

    /// Returns true if an audit failed less than [`FAILURE_PERIOD`] before `now`.
    pub fn has_failed_audit(&self, now: Instant) -> bool {
        let failed = *self.last_audit_failure.lock();
        failed.is_some_and(|at| now.saturating_duration_since(at) < FAILURE_PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_reported_for_ten_minutes() {
        let (metrics, start) = (Metrics::new(), Instant::now());
        metrics.audited(Finding::Passed, start);
        metrics.audited(Finding::Unreadable, start);
        assert!(!metrics.has_failed_audit(start));
        metrics.audited(Finding::Failed, start);
        assert!(metrics.has_failed_audit(start));
        assert!(metrics.has_failed_audit((start + FAILURE_PERIOD).checked_sub(Duration::from_nanos(1)).unwrap()));
        assert!(!metrics.has_failed_audit(start + FAILURE_PERIOD));
        metrics.audited(Finding::Failed, start + FAILURE_PERIOD);
        assert!(metrics.has_failed_audit(start + FAILURE_PERIOD), "every failure starts a new period");
    }
}
